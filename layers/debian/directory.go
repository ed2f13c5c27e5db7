package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/layers"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// writeTree writes a tree into an empty directory, with owners, modes, times and extended attributes.
func writeTree(parent context.Context, t *layers.Tree, dir string) error {
	group, ctx := errgroup.WithContext(parent)
	group.SetLimit(2 * runtime.NumCPU())
	seen := map[*layers.Node]string{}
	var links [][2]string
	for name, n := range t.Walk() {
		if ctx.Err() != nil {
			break // the group knows why
		}
		at := filepath.Join(dir, name)
		if first, ok := seen[n]; ok && n.Type != layers.Directory {
			links = append(links, [2]string{first, at})
			continue
		}
		seen[n] = at
		if n.Type == layers.Regular {
			group.Go(func() error { return writeNode(at, n) })
			continue
		}
		if err := writeNode(at, n); err != nil {
			return errors.Join(err, group.Wait())
		}
	}
	if err := errors.Join(group.Wait(), parent.Err()); err != nil {
		return err
	}
	for _, l := range links {
		if err := os.Link(l[0], l[1]); err != nil {
			return err
		}
	}
	return nil
}

func writeNode(at string, n *layers.Node) error {
	if err := makeNode(at, n); err != nil {
		return fmt.Errorf("write %s %s: %w", n.Type, at, err)
	}
	for name, value := range n.Xattrs {
		if err := unix.Lsetxattr(at, name, []byte(value), 0); err != nil {
			return fmt.Errorf("set %s of %s: %w", name, at, err)
		}
	}
	times := []unix.Timespec{unix.NsecToTimespec(n.ModTime.UnixNano()), unix.NsecToTimespec(n.ModTime.UnixNano())}
	if n.ModTime.IsZero() {
		return nil
	}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, at, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("set times of %s: %w", at, err)
	}
	return nil
}

func makeNode(at string, n *layers.Node) error {
	var err error
	switch n.Type {
	case layers.Directory:
		if err = os.Mkdir(at, 0o700); errors.Is(err, fs.ErrExist) {
			err = nil
		}
	case layers.Symlink:
		err = os.Symlink(n.Target, at)
	case layers.Regular:
		err = writeContent(at, n.Content)
	case layers.Char:
		err = unix.Mknod(at, unix.S_IFCHR, int(unix.Mkdev(n.Major, n.Minor)))
	case layers.Block:
		err = unix.Mknod(at, unix.S_IFBLK, int(unix.Mkdev(n.Major, n.Minor)))
	case layers.Fifo:
		err = unix.Mkfifo(at, 0o600)
	default:
		err = errors.ErrUnsupported
	}
	if err != nil {
		return err
	}
	if err := os.Lchown(at, int(n.UID), int(n.GID)); err != nil || n.Type == layers.Symlink {
		return err
	}
	return unix.Chmod(at, n.Mode)
}

func writeContent(at string, c layers.Content) (err error) {
	f, err := os.OpenFile(at, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, c.Reader())
	return errors.Join(err, f.Close())
}

// readTree reads a directory into a tree. Contents stay in its files. Attributes by which an overlay keeps its own
// books are left out, but for the mark of an opaque directory, which layers.Tree.Apply knows.
func readTree(dir string) (*layers.Tree, error) {
	t := layers.NewTree()
	inodes := map[uint64]*layers.Node{}
	err := filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var stat unix.Stat_t
		if err := unix.Lstat(at, &stat); err != nil {
			return fmt.Errorf("stat %s: %w", at, err)
		}
		n := inodes[stat.Ino]
		if n == nil {
			if n, err = readNode(at, &stat); err != nil {
				return fmt.Errorf("read %s: %w", at, err)
			}
			if stat.Nlink > 1 && n.Type != layers.Directory {
				inodes[stat.Ino] = n
			}
		}
		name, err := filepath.Rel(dir, at)
		if err != nil {
			return err
		}
		return t.Put(name, n)
	})
	return t, err
}

func readNode(at string, stat *unix.Stat_t) (*layers.Node, error) {
	n := &layers.Node{
		Mode:    stat.Mode & 0o7777,
		UID:     stat.Uid,
		GID:     stat.Gid,
		ModTime: time.Unix(int64(stat.Mtim.Sec), 0),
	}
	var err error
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		n.Type = layers.Directory
	case unix.S_IFREG:
		n.Type, n.Content = layers.Regular, layers.Content{ReaderAt: lazyFile(at), Size: stat.Size}
	case unix.S_IFLNK:
		n.Type = layers.Symlink
		n.Target, err = os.Readlink(at)
	case unix.S_IFCHR:
		n.Type, n.Major, n.Minor = layers.Char, unix.Major(stat.Rdev), unix.Minor(stat.Rdev)
	case unix.S_IFBLK:
		n.Type, n.Major, n.Minor = layers.Block, unix.Major(stat.Rdev), unix.Minor(stat.Rdev)
	case unix.S_IFIFO:
		n.Type = layers.Fifo
	default:
		n.Type = layers.Socket
	}
	if err != nil || n.Type == layers.Symlink {
		return n, err
	}
	n.Xattrs, err = readXattrs(at)
	return n, err
}

func readXattrs(at string) (map[string]string, error) {
	buf := make([]byte, 64<<10)
	size, err := unix.Llistxattr(at, buf)
	if errors.Is(err, unix.ENOTSUP) || size == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list attributes: %w", err)
	}
	out := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimRight(string(buf[:size]), "\x00"), "\x00") {
		own, book := overlayBook(name)
		if book && own != "opaque" {
			continue
		}
		value := make([]byte, 64<<10)
		size, err := unix.Lgetxattr(at, name, value)
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
		if book {
			name = "trusted.overlay.opaque"
		}
		out[name] = string(value[:size])
	}
	return out, nil
}

// overlayBook tells whether an attribute is one by which an overlay keeps its own books, and which. In a user
// namespace they have another prefix.
func overlayBook(name string) (own string, ok bool) {
	if own, ok = strings.CutPrefix(name, "trusted.overlay."); !ok {
		own, ok = strings.CutPrefix(name, "user.overlay.")
	}
	return own, ok
}

// lazyFile is a file that is open only while it is read.
type lazyFile string

func (l lazyFile) ReadAt(b []byte, off int64) (n int, err error) {
	f, err := os.Open(string(l))
	if err != nil {
		return 0, err
	}
	n, err = f.ReadAt(b, off)
	if e := f.Close(); err == nil { // never joined: readers compare with io.EOF
		err = e
	}
	return n, err
}
