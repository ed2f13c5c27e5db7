package layers

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
)

// xattrPrefix marks an extended attribute in the PAX records of a tar, as GNU tar and containers write it.
const xattrPrefix = "SCHILY.xattr."

// Archive is what ReadTar reads: a tar that stays open, since the contents of the tree lie in it.
type Archive interface {
	io.ReadSeeker
	io.ReaderAt
}

// ReadTar reads the entries of an uncompressed tar into a new tree. Contents stay in the archive. Duplicate paths: the
// last one wins, as in tar. A hard link names an entry before it. Errors name the entry.
func ReadTar(r Archive) (*Tree, error) {
	t := NewTree()
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read tar: %w", err)
		}
		n, err := t.fromHeader(h, r)
		if err != nil {
			return nil, fmt.Errorf("tar entry %s: %w", h.Name, err)
		}
		if err := t.Put(h.Name, n); err != nil {
			return nil, fmt.Errorf("tar entry: %w", err)
		}
	}
}

func (t *Tree) fromHeader(h *tar.Header, r Archive) (*Node, error) {
	n := &Node{
		Mode:    uint32(h.Mode) & 0o7777,
		UID:     uint32(h.Uid),
		GID:     uint32(h.Gid),
		ModTime: h.ModTime,
		Xattrs:  xattrs(h.PAXRecords),
	}
	if int64(n.UID) != int64(h.Uid) || int64(n.GID) != int64(h.Gid) {
		return nil, fmt.Errorf("owner %d:%d does not fit 32 bits", h.Uid, h.Gid)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		n.Type = Directory
	case tar.TypeReg:
		at, err := r.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		n.Type = Regular
		n.Content = Content{ReaderAt: r, Offset: at, Size: h.Size}
	case tar.TypeSymlink:
		n.Type, n.Target, n.Mode = Symlink, h.Linkname, 0o777
	case tar.TypeLink:
		name, err := Clean(h.Linkname)
		if err != nil {
			return nil, fmt.Errorf("hard link: %w", err)
		}
		target := t.Get(name)
		if target == nil || target.Type == Directory {
			return nil, fmt.Errorf("hard link to %s, which is no file before it in the archive", h.Linkname)
		}
		return target, nil
	case tar.TypeChar:
		n.Type, n.Major, n.Minor = Char, uint32(h.Devmajor), uint32(h.Devminor)
	case tar.TypeBlock:
		n.Type, n.Major, n.Minor = Block, uint32(h.Devmajor), uint32(h.Devminor)
	case tar.TypeFifo:
		n.Type = Fifo
	default:
		return nil, fmt.Errorf("type %q is not supported", h.Typeflag)
	}
	return n, nil
}

func xattrs(records map[string]string) map[string]string {
	var out map[string]string
	for key, value := range records {
		name, ok := strings.CutPrefix(key, xattrPrefix)
		if !ok {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = value
	}
	return out
}

// WriteTar writes the tree as a tar in PAX format, in the order of Walk, so that equal trees give equal bytes.
// Times after latest become latest, and implied directories are left out, as they carry no metadata. Sockets cannot be
// told in a tar and are an error.
func (t *Tree) WriteTar(w io.Writer, latest time.Time) error {
	tw := tar.NewWriter(w)
	seen := map[*Node]string{}
	for name, n := range t.Walk() {
		if n.implied {
			continue
		}
		if err := writeEntry(tw, name, n, latest, seen); err != nil {
			return fmt.Errorf("write tar entry /%s: %w", name, err)
		}
	}
	return tw.Close()
}

func writeEntry(tw *tar.Writer, name string, n *Node, latest time.Time, seen map[*Node]string) error {
	h, err := header(name, n, latest)
	if err != nil {
		return err
	}
	if first, ok := seen[n]; ok && n.Type != Directory {
		h.Typeflag, h.Linkname, h.Size, h.PAXRecords = tar.TypeLink, first, 0, nil
		return tw.WriteHeader(h)
	}
	seen[n] = h.Name
	if err := tw.WriteHeader(h); err != nil || h.Size == 0 {
		return err
	}
	_, err = io.Copy(tw, n.Content.Reader())
	return err
}

func header(name string, n *Node, latest time.Time) (*tar.Header, error) {
	h := &tar.Header{
		Name:    "./" + name,
		Mode:    int64(n.Mode),
		Uid:     int(n.UID),
		Gid:     int(n.GID),
		ModTime: n.ModTime,
		Format:  tar.FormatPAX,
	}
	if n.ModTime.After(latest) {
		h.ModTime = latest
	}
	if len(n.Xattrs) > 0 {
		h.PAXRecords = map[string]string{}
		for key, value := range n.Xattrs {
			h.PAXRecords[xattrPrefix+key] = value
		}
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

// FromFileMode turns the mode of Go's fs package into a Node's permission bits.
func FromFileMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	for bit, unix := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&bit != 0 {
			mode |= unix
		}
	}
	return mode
}
