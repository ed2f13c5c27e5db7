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

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Extract makes the files of the tree in a directory, which is empty and nobody else's, as ReadDir would read them: with
// owners, modes, times, extended attributes, hard links and devices, so that it takes root. A directory that nobody has
// put into the tree is root's, and has the mode and time of a new one. It works on several files at once. Errors name the
// file; what was made until then stays.
func (t *Tree) Extract(ctx context.Context, dir string) (err error) {
	root, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	x := &extraction{root: int(root.Fd())}
	if err := x.plan(t); err != nil {
		return err
	}
	if err := x.fill(ctx); err != nil {
		return err
	}
	return x.finish()
}

// extraction is the way of a tree to a directory.
type extraction struct {
	root  int // descriptor of the directory
	dirs  []named
	files []named // all else, once each
	links []link
	next  atomic.Int64 // of the files that nobody has begun
}

type named struct {
	name string
	*Node
}

// link is a further name of a file.
type link struct{ first, name string }

// plan makes all directories, for now as nobody else may enter them, and lists the rest.
func (x *extraction) plan(t *Tree) error {
	first := map[*Node]string{}
	for name, n := range t.Walk() {
		switch at, seen := first[n]; {
		case n.Sealed:
			return fmt.Errorf("extract /%s: the directory is sealed: what lies in it is another file system's matter", name)
		case n.Type == Directory:
			x.dirs = append(x.dirs, named{name, n})
			if name == "" {
				continue
			}
			if err := unix.Mkdirat(x.root, name, 0o700); err != nil {
				return fmt.Errorf("make directory /%s: %w", name, err)
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

// extractBuffer is how much of a file is written at a time.
const extractBuffer = 1 << 20

// fill makes the files, one after the other on each processor.
func (x *extraction) fill(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			buffer := make([]byte, extractBuffer)
			for i := x.next.Add(1) - 1; i < int64(len(x.files)); i = x.next.Add(1) - 1 {
				if err := x.file(ctx, x.files[i], buffer); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// finish gives files their further names, and directories what changes with that which is made in them.
func (x *extraction) finish() error {
	for _, l := range x.links {
		if err := unix.Linkat(x.root, l.first, x.root, l.name, 0); err != nil {
			return fmt.Errorf("link /%s to /%s: %w", l.name, l.first, err)
		}
	}
	for _, d := range slices.Backward(x.dirs) {
		if err := x.describe(d); err != nil {
			return err
		}
	}
	return nil
}

// file makes what is no directory.
func (x *extraction) file(ctx context.Context, f named, buffer []byte) (err error) {
	switch f.Type {
	case Regular:
		err = x.regular(ctx, f, buffer)
	case Symlink:
		err = unix.Symlinkat(f.Target, x.root, f.name)
	default:
		err = unix.Mknodat(x.root, f.name, modeBits(f.Type)|0o600, int(unix.Mkdev(f.Major, f.Minor)))
	}
	if err != nil {
		return fmt.Errorf("make %s /%s: %w", f.Type, f.name, err)
	}
	return x.describe(f)
}

// modeBits are those by which the kernel knows a type.
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
			return fmt.Errorf("read its content: %w", err)
		}
		if _, err := file.Write(part); err != nil {
			return err
		}
		left -= int64(len(part))
	}
	return nil
}

// describe sets all but the content of a file, in the order in which nothing takes back what was set before: a new owner
// takes the bits of setuid and the capabilities away.
func (x *extraction) describe(f named) error {
	name := f.name
	if name == "" {
		name = "."
	}
	if err := unix.Fchownat(x.root, name, int(f.UID), int(f.GID), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("give /%s to %d:%d: %w", f.name, f.UID, f.GID, err)
	}
	for key, value := range f.Xattrs {
		if err := unix.Lsetxattr(fmt.Sprintf("/proc/self/fd/%d/%s", x.root, name), key, []byte(value), 0); err != nil {
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
	when := unix.Timespec{} // where nobody has told
	if !f.ModTime.IsZero() {
		when = unix.Timespec{Sec: f.ModTime.Unix(), Nsec: int64(f.ModTime.Nanosecond())}
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, when}
	if err := unix.UtimesNanoAt(x.root, name, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("set the time of /%s to %s: %w", f.name, f.ModTime, err)
	}
	return nil
}
