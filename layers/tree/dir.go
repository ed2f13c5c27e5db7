package tree

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ReadDir reads a directory of the file system into a new tree, with the directory as its root: owners, modes, times,
// extended attributes, hard links, devices and holes. Contents stay in the files; a file that changes before it is read
// causes an error then. Mounts below the directory are read as well. Errors name the file.
func ReadDir(dir string) (*Tree, error) {
	d := &dirReader{dir: dir, links: map[inodeID]*Node{}, open: &openFile{}}
	root, err := d.node("")
	if err != nil {
		return nil, fmt.Errorf("read directory: %w", err)
	}
	if root.Type != Directory {
		return nil, fmt.Errorf("read directory: %s is a %s", dir, root.Type)
	}
	if err := d.children("", root); err != nil {
		return nil, fmt.Errorf("read directory: %w", err)
	}
	return &Tree{Root: root}, nil
}

type inodeID struct{ device, inode uint64 }

// dirReader reads a directory. Paths are relative to it.
type dirReader struct {
	dir   string
	links map[inodeID]*Node // those with several names
	open  *openFile
}

func (d *dirReader) children(name string, n *Node) error {
	entries, err := os.ReadDir(filepath.Join(d.dir, name))
	if err != nil {
		return err
	}
	for _, e := range entries {
		at := path.Join(name, e.Name())
		child, err := d.node(at)
		if err != nil {
			return err
		}
		n.set(e.Name(), child)
		if child.Type != Directory {
			continue
		}
		if err := d.children(at, child); err != nil {
			return err
		}
	}
	return nil
}

var unixTypes = map[uint32]Type{
	unix.S_IFDIR: Directory, unix.S_IFREG: Regular, unix.S_IFLNK: Symlink, unix.S_IFCHR: Char, unix.S_IFBLK: Block,
	unix.S_IFIFO: Fifo, unix.S_IFSOCK: Socket,
}

// node is an entry by itself, or the node of another name that it has.
func (d *dirReader) node(name string) (*Node, error) {
	full := filepath.Join(d.dir, name)
	if name == "" {
		full += "/" // a symlink to a directory will do
	}
	var st unix.Stat_t
	if err := unix.Lstat(full, &st); err != nil {
		return nil, fmt.Errorf("stat %s: %w", full, err)
	}
	id := inodeID{st.Dev, st.Ino}
	if n := d.links[id]; n != nil {
		return n, nil
	}
	n := &Node{
		Type: unixTypes[st.Mode&unix.S_IFMT], Mode: st.Mode & 0o7777, UID: st.Uid, GID: st.Gid,
		ModTime: time.Unix(st.Mtim.Unix()).UTC(),
	}
	var err error
	if n.Xattrs, err = readXattrs(full); err != nil {
		return nil, err
	}
	if n.Type == Regular || n.Type == Directory {
		if err := n.readFlags(full); err != nil {
			return nil, err
		}
	}
	switch n.Type {
	case Regular:
		n.Content = Content{ReaderAt: &dirFile{open: d.open, name: full, was: state(st)}, Size: st.Size}
	case Symlink:
		n.Mode = 0o777
		n.Target, err = os.Readlink(full)
	case Char, Block:
		n.Major, n.Minor = unix.Major(st.Rdev), unix.Minor(st.Rdev)
	}
	if st.Nlink > 1 && n.Type != Directory {
		d.links[id] = n
	}
	return n, err
}

// readXattrs reads the extended attributes of a file that is not followed if it is a symlink.
func readXattrs(name string) (map[string]string, error) {
	list, err := sized(func(b []byte) (int, error) { return unix.Llistxattr(name, b) })
	if errors.Is(err, unix.ENOTSUP) || len(list) == 0 && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list extended attributes of %s: %w", name, err)
	}
	out := map[string]string{}
	for key := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		value, err := sized(func(b []byte) (int, error) { return unix.Lgetxattr(name, key, b) })
		if err != nil {
			return nil, fmt.Errorf("read extended attribute %s of %s: %w", key, name, err)
		}
		out[key] = string(value)
	}
	return out, nil
}

// sized calls a function that fills a buffer, first without one to learn the size.
func sized(call func([]byte) (int, error)) ([]byte, error) {
	for {
		n, err := call(nil)
		if n == 0 || err != nil {
			return nil, err
		}
		b := make([]byte, n)
		n, err = call(b)
		if !errors.Is(err, unix.ERANGE) { // it has grown in between
			return b[:max(n, 0)], err
		}
	}
}

// openFile is the one file of a directory that is open: there may be more files than a process can have open.
type openFile struct {
	sync.Mutex
	of   *dirFile
	file *os.File
}

// dirFile is the content of a regular file below a directory, which is opened when it is read. It knows its holes.
type dirFile struct {
	open *openFile
	name string
	was  fileState
}

// fileState is that by which one sees that a file is not what it was.
type fileState struct {
	inodeID
	size  int64
	mtime unix.Timespec
}

func state(st unix.Stat_t) fileState { return fileState{inodeID{st.Dev, st.Ino}, st.Size, st.Mtim} }

// ReadAt implements io.ReaderAt.
func (f *dirFile) ReadAt(b []byte, at int64) (n int, err error) {
	err = f.with(func(file *os.File) error {
		n, err = file.ReadAt(b, at)
		return err
	})
	return n, err
}

// NextData returns the first range of data that ends after an offset. If there is none, start is the size of the file.
func (f *dirFile) NextData(offset int64) (start, end int64, err error) {
	err = f.with(func(file *os.File) error {
		start, end, err = NextData(file, offset)
		return err
	})
	return min(start, f.was.size), min(end, f.was.size), err
}

// with opens the file, unless it is the one that is open, and makes sure that it is what was found.
func (f *dirFile) with(do func(*os.File) error) error {
	f.open.Lock()
	defer f.open.Unlock()
	if f.open.of == f {
		return do(f.open.file)
	}
	if f.open.file != nil {
		_ = f.open.file.Close() // it was only read
		f.open.of, f.open.file = nil, nil
	}
	fd, err := unix.Open(f.name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: f.name, Err: err}
	}
	file := os.NewFile(uintptr(fd), f.name)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return errors.Join(fmt.Errorf("stat %s: %w", f.name, err), file.Close())
	}
	if state(st) != f.was {
		return errors.Join(fmt.Errorf("%s changed while it was read", f.name), file.Close())
	}
	f.open.of, f.open.file = f, file
	return do(file)
}
