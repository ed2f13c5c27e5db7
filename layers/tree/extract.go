package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/PlanktoScope/pkbuild/internal/fsuser"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// ExtractOptions adapt what Extract writes to a user namespace: an offset for user and group IDs, and empty files
// instead of device nodes. The zero value changes nothing.
type ExtractOptions struct {
	// FirstID is added to all user and group IDs, those in ACLs and capabilities included: the ID in this process's user
	// namespace that a user namespace below it has as 0.
	FirstID uint32
	// EmptyDevices writes empty files in place of device nodes, which a user namespace can neither copy nor use.
	EmptyDevices bool
}

// Extract writes the tree into an empty directory that no other process uses: with owners, modes, times, extended
// attributes, hard links and devices, for which it needs root. An implied directory belongs to root and has the mode and
// time of a new one. Files are written concurrently. Extract fails for a sealed directory (see Node). After an error the
// files that were written until then stay.
func (t *Tree) Extract(ctx context.Context, dir string, o ExtractOptions) (err error) {
	root, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	x := &extraction{ExtractOptions: o, root: int(root.Fd())}
	if err := fsuser.Do(o.FirstID, func() error { return x.plan(t) }); err != nil {
		return err
	}
	if err := x.fill(ctx); err != nil {
		return err
	}
	return fsuser.Do(o.FirstID, x.finish)
}

// extraction is the state of Extract.
type extraction struct {
	ExtractOptions
	root  int // descriptor of the directory
	dirs  []named
	files []named // all other nodes, once each
	links []link
	next  atomic.Int64 // index of the next file to write
}

type named struct {
	name string
	*Node
}

// link is a further name of a file.
type link struct{ first, name string }

// plan creates all directories, with mode 0700 for now, and lists the other nodes.
func (x *extraction) plan(t *Tree) error {
	first := map[*Node]string{}
	for name, n := range t.Walk() {
		switch at, seen := first[n]; {
		case n.Sealed:
			return fmt.Errorf("extract /%s: directory is sealed: it can only be written to a disk", name)
		case n.Type == Directory:
			x.dirs = append(x.dirs, named{name, n})
			if name == "" {
				continue
			}
			if err := unix.Mkdirat(x.root, name, 0o700); err != nil {
				return fmt.Errorf("create directory /%s: %w", name, err)
			}
		case seen:
			x.links = append(x.links, link{at, name})
		default:
			first[n] = name
			x.files = append(x.files, named{name, n})
		}
	}
	return nil
}

// extractBuffer is the size of a write, in bytes.
const extractBuffer = 1 << 20

// fill writes the files, with one goroutine for each processor.
func (x *extraction) fill(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			return fsuser.Do(x.FirstID, func() error {
				buffer := make([]byte, extractBuffer)
				for i := x.next.Add(1) - 1; i < int64(len(x.files)); i = x.next.Add(1) - 1 {
					if err := x.file(ctx, x.files[i], buffer); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
	return group.Wait()
}

// finish creates the hard links and sets the metadata of directories, which creating files in them changes.
func (x *extraction) finish() error {
	for _, l := range x.links {
		if err := unix.Linkat(x.root, l.first, x.root, l.name, 0); err != nil {
			return fmt.Errorf("link /%s to /%s: %w", l.name, l.first, err)
		}
	}
	for _, d := range slices.Backward(x.dirs) {
		if err := x.setMetadata(d); err != nil {
			return err
		}
	}
	return nil
}

// file writes a node other than a directory.
func (x *extraction) file(ctx context.Context, f named, buffer []byte) (err error) {
	switch device := f.Type == Char || f.Type == Block; {
	case f.Type == Regular, device && x.EmptyDevices:
		err = x.regular(ctx, f, buffer)
	case f.Type == Symlink:
		err = unix.Symlinkat(f.Target, x.root, f.name)
	default:
		err = unix.Mknodat(x.root, f.name, modeBits(f.Type)|0o600, int(unix.Mkdev(f.Major, f.Minor)))
	}
	if err != nil {
		return fmt.Errorf("create %s /%s: %w", f.Type, f.name, err)
	}
	return x.setMetadata(f)
}

// modeBits returns the S_IFMT bits of a type.
func modeBits(t Type) uint32 {
	for bits, other := range unixTypes {
		if other == t {
			return bits
		}
	}
	return 0
}

func (x *extraction) regular(ctx context.Context, f named, buffer []byte) (err error) {
	fd, err := unix.Openat(x.root, f.name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), f.name)
	defer func() { err = errors.Join(err, file.Close()) }()
	in := f.Content.Reader()
	for left := f.Content.Size; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := buffer[:min(left, int64(len(buffer)))]
		if _, err := io.ReadFull(in, part); err != nil {
			return fmt.Errorf("read content: %w", err)
		}
		if _, err := file.Write(part); err != nil {
			return err
		}
		left -= int64(len(part))
	}
	return nil
}

// setMetadata sets owner, extended attributes, mode and time, in this order: changing the owner clears the setuid bit and
// the capabilities.
func (x *extraction) setMetadata(f named) error {
	name := f.name
	if name == "" {
		name = "."
	}
	if err := unix.Fchownat(x.root, name, int(x.FirstID+f.UID), int(x.FirstID+f.GID), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("change the owner of /%s to %d:%d: %w", f.name, f.UID, f.GID, err)
	}
	for key, value := range f.Xattrs {
		if err := unix.Lsetxattr(fmt.Sprintf("/proc/self/fd/%d/%s", x.root, name), key, shiftIDs(key, []byte(value), x.FirstID), 0); err != nil {
			return fmt.Errorf("set extended attribute %s of /%s: %w", key, f.name, err)
		}
	}
	if f.Type != Symlink {
		if err := unix.Fchmodat(x.root, name, f.Mode, 0); err != nil {
			return fmt.Errorf("set the mode of /%s to %04o: %w", f.name, f.Mode, err)
		}
	}
	if f.implied {
		return nil
	}
	when := unix.Timespec{}
	if !f.ModTime.IsZero() {
		when = unix.Timespec{Sec: f.ModTime.Unix(), Nsec: int64(f.ModTime.Nanosecond())}
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, when}
	if err := unix.UtimesNanoAt(x.root, name, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("set the time of /%s to %s: %w", f.name, f.ModTime, err)
	}
	return nil
}
