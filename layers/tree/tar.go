package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

// xattrPrefix marks an extended attribute in the PAX records of a tar, as GNU tar and containers write it.
const xattrPrefix = "SCHILY.xattr."

// Archive is an open tar archive for ReadTar. It must stay open, since the file contents of the tree are read from it.
type Archive interface {
	io.ReadSeeker
	io.ReaderAt
}

// ReadTar reads the entries of an uncompressed tar archive into a new tree; docs/tar.md lists what it supports.
// Contents stay in the archive. Errors name the entry. The memory is bounded by the number of entries, whatever sizes
// they claim.
func ReadTar(r Archive) (*Tree, error) {
	in, err := newTarReader(r)
	if err != nil {
		return nil, fmt.Errorf("read tar: %w", err)
	}
	t := New()
	for {
		h, err := in.next()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read tar: %w", err)
		}
		if err := in.put(t, h); err != nil {
			return nil, fmt.Errorf("tar entry %.200q: %w", h.Name, err)
		}
	}
}

// put puts an entry into a tree.
func (in *tarReader) put(t *Tree, h *tar.Header) error {
	name, err := Clean(h.Name)
	if err != nil {
		return err
	}
	n, err := in.node(t, h)
	if n == nil || err != nil {
		return err
	}
	if err := t.makeWay(name, n); err != nil {
		return err
	}
	if t.implied > maxImplied {
		return fmt.Errorf("archive lacks entries of more than %d directories", maxImplied)
	}
	return t.Put(name, n)
}

// node is what an entry stands for: nil for nothing, a node of the tree for a hard link.
func (in *tarReader) node(t *Tree, h *tar.Header) (*Node, error) {
	n := &Node{
		Mode:    uint32(h.Mode) & 0o7777,
		UID:     uint32(h.Uid),
		GID:     uint32(h.Gid),
		ModTime: h.ModTime,
	}
	if int64(n.UID) != int64(h.Uid) || int64(n.GID) != int64(h.Gid) {
		return nil, fmt.Errorf("owner %d:%d does not fit 32 bits", h.Uid, h.Gid)
	}
	var err error
	if n.Xattrs, err = xattrs(h.PAXRecords); err != nil {
		return nil, err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		n.Type = Directory
		n.parseFlags(h.PAXRecords[flagsRecord])
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		n.parseFlags(h.PAXRecords[flagsRecord])
		return n, in.regular(n, h)
	case tar.TypeSymlink:
		n.Type, n.Target, n.Mode = Symlink, h.Linkname, 0o777
		if n.Target == "" || len(n.Target) > maxPath {
			return nil, fmt.Errorf("symlink target %.40q is not 1 to %d bytes long", n.Target, maxPath)
		}
	case tar.TypeLink:
		return t.linked(h.Linkname)
	case tar.TypeChar, tar.TypeBlock:
		n.Type = map[byte]Type{tar.TypeChar: Char, tar.TypeBlock: Block}[h.Typeflag]
		n.Major, n.Minor = uint32(h.Devmajor), uint32(h.Devminor)
		if int64(n.Major) != h.Devmajor || int64(n.Minor) != h.Devminor {
			return nil, fmt.Errorf("device %d:%d does not fit 32 bits", h.Devmajor, h.Devminor)
		}
	case tar.TypeFifo:
		n.Type = Fifo
	case tar.TypeXGlobalHeader:
		return nil, checkGlobal(h.PAXRecords)
	case typeVolume:
		return nil, nil
	default:
		return nil, fmt.Errorf("type %q is not supported", h.Typeflag)
	}
	return n, nil
}

// typeVolume is an entry of GNU tar that names the archive.
const typeVolume = 'V'

// regular fills in the content of a regular file. One whose name ends in a slash is a directory to GNU tar.
func (in *tarReader) regular(n *Node, h *tar.Header) (err error) {
	if strings.HasSuffix(h.Name, "/") {
		if h.Size > 0 {
			return errors.New("a directory has no content")
		}
		return nil
	}
	n.Type = Regular
	n.Content, err = in.content(h)
	return err
}

// linked is the node of a hard link's target.
func (t *Tree) linked(target string) (*Node, error) {
	name, err := Clean(target)
	if err != nil {
		return nil, fmt.Errorf("hard link: %w", err)
	}
	_, n := t.at(name)
	if n == nil || n.Type == Directory {
		return nil, fmt.Errorf("hard link to %.200q, which is not an earlier file of the archive", target)
	}
	return n, nil
}

// maxImplied is how many directories an archive may leave out of its entries. One long path implies two thousand.
const maxImplied = 1 << 18

// makeWay clears the place of an entry: of two of the same name the last one counts, as in tar, but none takes a
// directory away that is not empty.
func (t *Tree) makeWay(name string, n *Node) error {
	parent, old := t.at(name)
	switch {
	case old == nil:
	case old.Type == Directory && n.Type != Directory && old.Len() > 0:
		return fmt.Errorf("a %s cannot take the place of a directory that is not empty", n.Type)
	case old.Type != Directory && n.Type == Directory:
		delete(parent.children, path.Base(name))
	}
	return nil
}

// at is the node at a clean path and the one above it, with the symlinks on the way followed, but not at its end. Each
// is nil if there is none.
func (t *Tree) at(name string) (parent, n *Node) {
	dir, base := path.Split(name)
	if _, parent = t.resolve(dir, 0); parent == nil {
		return nil, nil
	}
	return parent, parent.children[base]
}

// checkGlobal passes a header for all entries that says nothing of them, such as that of git archive.
func checkGlobal(records map[string]string) error {
	for key := range records {
		if key != "comment" {
			return fmt.Errorf("global header of the archive with %q is not supported: write it for each entry", key)
		}
	}
	return nil
}

// xattrs are the extended attributes among the records of an entry.
func xattrs(records map[string]string) (map[string]string, error) {
	var out map[string]string
	for key, value := range records {
		if name, ok := strings.CutPrefix(key, xattrPrefix); ok {
			if out == nil {
				out = map[string]string{}
			}
			out[name] = value
		}
	}
	for key, name := range textACLs {
		if _, known := out[name]; records[key] != "" && !known {
			return nil, errors.New("an access control list in words is not supported: have tar write --xattrs --xattrs-include='*'")
		}
	}
	return out, nil
}

// textACLs are the records in which tar --acls keeps what is an extended attribute as well.
var textACLs = map[string]string{
	"SCHILY.acl.access": "system.posix_acl_access", "SCHILY.acl.default": "system.posix_acl_default",
}

// WriteTar writes the tree as a tar archive in PAX format, in the order of Walk, so that equal trees give equal bytes. Times
// after latest are replaced by latest. Implied directories, which have no metadata, are left out. It fails for sockets,
// which tar cannot store, and for sealed directories (see Node).
func (t *Tree) WriteTar(w io.Writer, latest time.Time) error {
	tw := newTarWriter(w, latest)
	for name, n := range t.Walk() {
		if n.implied && !n.Sealed {
			continue
		}
		if err := tw.entry("./"+name, n); err != nil {
			return fmt.Errorf("write tar entry /%s: %w", name, err)
		}
	}
	return tw.Close()
}

// tarWriter writes entries of a tree.
type tarWriter struct {
	*tar.Writer
	latest time.Time
	seen   map[*Node]string // names of what was written
}

func newTarWriter(w io.Writer, latest time.Time) *tarWriter {
	return &tarWriter{tar.NewWriter(w), latest, map[*Node]string{}}
}

// entry writes a node under a name: what was written already as a hard link.
func (w *tarWriter) entry(name string, n *Node) error {
	h, err := header(name, n, w.latest)
	if err != nil {
		return err
	}
	if first, ok := w.seen[n]; ok && n.Type != Directory {
		h.Typeflag, h.Linkname, h.Size, h.PAXRecords = tar.TypeLink, first, 0, nil
		return w.WriteHeader(h)
	}
	w.seen[n] = h.Name
	if err := w.WriteHeader(h); err != nil || h.Size == 0 {
		return err
	}
	_, err = io.Copy(w, n.Content.Reader())
	return err
}

func header(name string, n *Node, latest time.Time) (*tar.Header, error) {
	h := &tar.Header{
		Name:    name,
		Mode:    int64(n.Mode),
		Uid:     int(n.UID),
		Gid:     int(n.GID),
		ModTime: n.ModTime,
		Format:  tar.FormatPAX,
	}
	if n.ModTime.After(latest) {
		h.ModTime = latest
	}
	flags := n.flags()
	if len(n.Xattrs) > 0 || flags != "" {
		h.PAXRecords = map[string]string{}
		if flags != "" {
			h.PAXRecords[flagsRecord] = flags
		}
		for key, value := range n.Xattrs {
			h.PAXRecords[xattrPrefix+key] = value
		}
	}
	if n.Sealed {
		return nil, errors.New("directory is sealed, and a tar archive cannot hold it")
	}
	switch n.Type {
	case Directory:
		h.Typeflag = tar.TypeDir
		h.Name = strings.TrimSuffix(h.Name, "/") + "/"
	case Regular:
		h.Typeflag, h.Size = tar.TypeReg, n.Content.Size
	case Symlink:
		h.Typeflag, h.Linkname = tar.TypeSymlink, n.Target
	case Char, Block:
		h.Typeflag = map[Type]byte{Char: tar.TypeChar, Block: tar.TypeBlock}[n.Type]
		h.Devmajor, h.Devminor = int64(n.Major), int64(n.Minor)
	case Fifo:
		h.Typeflag = tar.TypeFifo
	default:
		return nil, fmt.Errorf("a tar cannot hold a %s", n.Type)
	}
	return h, nil
}

// FromFileMode returns the permission bits of an fs.FileMode as a Node stores them, as in chmod(2).
func FromFileMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	for bit, unix := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&bit != 0 {
			mode |= unix
		}
	}
	return mode
}
