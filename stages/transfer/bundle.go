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

// writeBundle writes the bundle of a stage as a tar: directories before what is in them, and the digests last.
func writeBundle(to io.Writer, dir string, stage int) error {
	digests, err := store.Digests(os.DirFS(dir), stage)
	if err != nil {
		return err
	}
	w := tar.NewWriter(to)
	root := filepath.Join(dir, strconv.Itoa(stage))
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, name) // name begins with root
		if err != nil || rel == "." || rel == store.DigestFile {
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

// filler takes what is in a bundle: a store.Writer, or one that only looks.
type filler interface {
	Dir(name string, mode fs.FileMode) error
	Symlink(name, target string) error
	File(name string, mode fs.FileMode, content io.Reader) error
}

// readBundle reads the tar of a bundle, and returns its manifest and its digests. Nothing lies outside of the bundle,
// behind a symlink, or there twice.
func readBundle(from io.Reader, to filler) (manifest, digests []byte, err error) {
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
			manifest, err = readSmall(r, name, h, maxManifest)
		case name == store.DigestFile:
			digests, err = readSmall(r, name, h, maxDigests)
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
		return nil, nil, fmt.Errorf("the bundle has no %s or no %s", stages.ManifestFile, store.DigestFile)
	}
	return manifest, digests, nil
}

func checkEntry(h *tar.Header, name string, dirs, seen map[string]bool) error {
	switch {
	case len(h.Name) > maxPath || len(h.Linkname) > maxPath:
		return fmt.Errorf("the bundle has a path of more than %d bytes", maxPath)
	case !fs.ValidPath(name) || name == ".":
		return fmt.Errorf("the bundle has the path %q", h.Name)
	case seen[name]:
		return fmt.Errorf("the bundle has %s twice", name)
	case !dirs[path.Dir(name)]:
		return fmt.Errorf("the bundle has %s, and %s is no directory in it", name, path.Dir(name))
	case len(seen) > maxEntries:
		return fmt.Errorf("the bundle has more than %d entries", maxEntries)
	case h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir && h.Typeflag != tar.TypeSymlink:
		return fmt.Errorf("the bundle has %s, which is neither a file nor a directory nor a symlink", name)
	}
	for key := range h.PAXRecords {
		if key != "path" && key != "linkpath" && key != "size" {
			return fmt.Errorf("the bundle has %s with %q", name, key)
		}
	}
	return nil
}

func readSmall(r io.Reader, name string, h *tar.Header, most int64) ([]byte, error) {
	if h.Typeflag != tar.TypeReg || h.Size > most {
		return nil, fmt.Errorf("it is no file of at most %d bytes", most)
	}
	data, err := io.ReadAll(io.LimitReader(r, most))
	if data == nil {
		data = []byte{}
	}
	return data, err
}

// looker takes note of what is in a bundle.
type looker struct {
	entries []store.Entry
	size    int64 // on a disk, in bytes, about
}

// unit is what a file takes of a disk at least, in bytes.
const unit = 4096

func (l *looker) add(e store.Entry, size int64) {
	l.entries = append(l.entries, e)
	l.size += (size+unit-1)/unit*unit + unit
}

func (l *looker) Dir(name string, mode fs.FileMode) error {
	l.add(store.NewEntry(name, fs.ModeDir|mode, "", ""), unit)
	return nil
}

func (l *looker) Symlink(name, target string) error {
	l.add(store.NewEntry(name, fs.ModeSymlink, "", target), 0)
	return nil
}

func (l *looker) File(name string, mode fs.FileMode, content io.Reader) error {
	h := sha256.New()
	n, err := io.Copy(h, content)
	l.add(store.NewEntry(name, mode, hex.EncodeToString(h.Sum(nil)), ""), n)
	return err
}

// lookAt reads the tar of a bundle and checks that it is what its digests say.
func lookAt(from io.Reader) (manifest, digests []byte, size int64, err error) {
	l := &looker{}
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
		return nil, nil, 0, fmt.Errorf("the bundle is not what its %s says: where it is from, look with pkctl stage verify",
			store.DigestFile)
	}
	return manifest, digests, l.size + int64(len(digests)), nil
}
