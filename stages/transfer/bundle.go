package transfer

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// Limits of a bundle.
const (
	maxEntries  = 200_000
	maxPath     = 4096     // bytes
	maxManifest = 4 << 20  // bytes
	maxDigests  = 64 << 20 // bytes
)

// writeBundle writes the bundle of a stage as a tar archive: directories before their contents, and the digests last. The
// pins of images are left out, since the index has them.
func writeBundle(to io.Writer, dir string, stage int) error {
	digests, err := store.Digests(os.DirFS(dir), stage)
	if err != nil {
		return err
	}
	w := tar.NewWriter(to)
	root := filepath.Join(dir, strconv.Itoa(stage))
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, name) // cannot fail: name begins with root
		if err != nil || rel == "." || rel == store.DigestFile || rel == images.PinFile {
			return err
		}
		return writeEntry(w, name, rel, d)
	})
	if err != nil {
		return err
	}
	h := &tar.Header{Name: store.DigestFile, Mode: 0o644, Size: int64(len(digests)), Format: tar.FormatPAX}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	if _, err := w.Write(digests); err != nil {
		return err
	}
	return w.Close()
}

func writeEntry(w *tar.Writer, name, rel string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: rel, Mode: int64(info.Mode().Perm()), Format: tar.FormatPAX}
	switch info.Mode().Type() {
	case fs.ModeDir:
		h.Typeflag = tar.TypeDir
		return w.WriteHeader(h)
	case fs.ModeSymlink:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = os.Readlink(name); err != nil {
			return err
		}
		return w.WriteHeader(h)
	case 0:
		h.Size = info.Size()
		return writeRegular(w, name, h)
	}
	return fmt.Errorf("%s is neither a file nor a directory nor a symlink", name)
}

func writeRegular(w *tar.Writer, name string, h *tar.Header) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	if err := w.WriteHeader(h); err != nil {
		return errors.Join(err, f.Close())
	}
	_, err = io.Copy(w, f)
	return errors.Join(err, f.Close())
}

// bundleWriter receives the entries of a bundle: a store.Writer, or an inspector.
type bundleWriter interface {
	Dir(name string, mode fs.FileMode) error
	Symlink(name, target string) error
	File(name string, mode fs.FileMode, content io.Reader) error
}

// readBundle reads the archive of a bundle, and returns its manifest and its digests. It rejects paths out of the bundle or
// through symlinks, and duplicates.
func readBundle(from io.Reader, to bundleWriter) (manifest, digests []byte, err error) {
	r := tar.NewReader(from)
	dirs := map[string]bool{".": true}
	seen := map[string]bool{}
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		name := path.Clean(h.Name)
		if err := checkEntry(h, name, dirs, seen); err != nil {
			return nil, nil, err
		}
		seen[name] = true
		switch {
		case name == stages.ManifestFile:
			manifest, err = readSmall(r, h, maxManifest)
		case name == store.DigestFile:
			digests, err = readSmall(r, h, maxDigests)
		case h.Typeflag == tar.TypeDir:
			dirs[name] = true
			err = to.Dir(name, fs.FileMode(h.Mode).Perm())
		case h.Typeflag == tar.TypeSymlink:
			err = to.Symlink(name, h.Linkname)
		default:
			err = to.File(name, fs.FileMode(h.Mode).Perm(), r)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("bundle: %s: %w", name, err)
		}
	}
	if manifest == nil || digests == nil {
		return nil, nil, fmt.Errorf("bundle lacks its metadata files %s or %s", stages.ManifestFile, store.DigestFile)
	}
	return manifest, digests, nil
}

func checkEntry(h *tar.Header, name string, dirs, seen map[string]bool) error {
	switch {
	case len(h.Name) > maxPath || len(h.Linkname) > maxPath:
		return fmt.Errorf("bundle has a path of more than %d bytes", maxPath)
	case !fs.ValidPath(name) || name == ".":
		return fmt.Errorf("bundle has the invalid path %q", h.Name)
	case seen[name]:
		return fmt.Errorf("bundle has the path %s twice", name)
	case !dirs[path.Dir(name)]:
		return fmt.Errorf("bundle entry %s is below %s, which is not a directory", name, path.Dir(name))
	case name == images.PinFile:
		return fmt.Errorf("bundle has a file %s, which export.json replaces", name)
	case len(seen) > maxEntries:
		return fmt.Errorf("bundle has more than the allowed %d entries", maxEntries)
	case stages.IsLayer(name) && h.Typeflag != tar.TypeDir:
		return fmt.Errorf("bundle has %s, which must be a directory and is not", name)
	case h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir && h.Typeflag != tar.TypeSymlink:
		return fmt.Errorf("bundle entry %s is neither a file nor a directory nor a symlink", name)
	}
	for key := range h.PAXRecords {
		if key != "path" && key != "linkpath" && key != "size" {
			return fmt.Errorf("bundle entry %s has the PAX record %q, which is not supported", name, key)
		}
	}
	return nil
}

// readSmall reads a regular file of at most limit bytes.
func readSmall(r io.Reader, h *tar.Header, limit int64) ([]byte, error) {
	if h.Typeflag != tar.TypeReg || h.Size > limit {
		return nil, fmt.Errorf("bundle entry is not a regular file of at most %d bytes", limit)
	}
	data, err := io.ReadAll(io.LimitReader(r, limit))
	if data == nil {
		data = []byte{}
	}
	return data, err
}

// inspector records the entries of a bundle.
type inspector struct {
	entries []store.Entry
	size    int64 // approximate disk usage in bytes
}

// diskBlock is the least that a file uses on a disk, in bytes.
const diskBlock = 4096

func (l *inspector) add(e store.Entry, size int64) {
	l.entries = append(l.entries, e)
	l.size += (size+diskBlock-1)/diskBlock*diskBlock + diskBlock
}

func (l *inspector) Dir(name string, mode fs.FileMode) error {
	l.add(store.NewEntry(name, fs.ModeDir|mode, "", ""), diskBlock)
	return nil
}

func (l *inspector) Symlink(name, target string) error {
	l.add(store.NewEntry(name, fs.ModeSymlink, "", target), 0)
	return nil
}

func (l *inspector) File(name string, mode fs.FileMode, content io.Reader) error {
	h := sha256.New()
	n, err := io.Copy(h, content)
	l.add(store.NewEntry(name, mode, hex.EncodeToString(h.Sum(nil)), ""), n)
	return err
}

// inspectBundle reads the archive of a bundle and verifies it against its digests. size is its approximate disk usage in bytes.
func inspectBundle(from io.Reader) (manifest, digests []byte, size int64, err error) {
	l := &inspector{}
	manifest, digests, err = readBundle(from, l)
	if err != nil {
		return nil, nil, 0, err
	}
	sum := sha256.Sum256(manifest)
	l.add(store.NewEntry(stages.ManifestFile, 0o644, hex.EncodeToString(sum[:]), ""), int64(len(manifest)))
	want, err := store.MarshalDigests(l.entries)
	if err != nil {
		return nil, nil, 0, err
	}
	if !bytes.Equal(want, digests) {
		return nil, nil, 0, fmt.Errorf("bundle does not match its %s; run pkctl stage verify on the device that exported it",
			store.DigestFile)
	}
	return manifest, digests, l.size + int64(len(digests)), nil
}
