package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
)

// ErrExists is returned by Create for a directory that has a data set.
var ErrExists = errors.New("data set exists")

// Writer adds pictures to a data set, a directory of pictures with metadata. A picture that Add has confirmed survives
// a power cut. A Writer must not be used concurrently.
type Writer struct {
	dir       string
	integrity *os.File
	entries   []Entry
}

// Create makes the directory of a data set durably, with its metadata. It returns ErrExists if the directory has a
// metadata.json, and so a data set, even one whose acquisition was interrupted.
func Create(ctx context.Context, dir string, m *Metadata) (*Writer, error) {
	if err := mkdirAll(dir); err != nil {
		return nil, err
	}
	switch _, err := os.Lstat(filepath.Join(dir, MetadataFile)); {
	case err == nil:
		return nil, fmt.Errorf("%s: %w", dir, ErrExists)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	// metadata.json is written last: a directory without it is no data set, and can be created again.
	data, err := m.Indented()
	if err != nil {
		return nil, err
	}
	e, err := NewEntry(MetadataFile, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if err := atomicfile.Write(filepath.Join(dir, IntegrityFile), []byte(integrityHeader+e.String()+"\n"), 0o644); err != nil {
		return nil, err
	}
	if _, err := writeMetadata(ctx, dir, m); err != nil {
		return nil, err
	}
	return Continue(dir)
}

// Continue opens a data set for more pictures. It repairs what a power cut may leave: it truncates an incomplete line of
// integrity.check, removes temporary files, and lists complete pictures that are not listed. It returns fs.ErrNotExist for a
// directory without metadata.json, as a power cut during Create may leave it.
func Continue(dir string) (w *Writer, err error) {
	if _, err := os.Stat(filepath.Join(dir, MetadataFile)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, IntegrityFile), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	entries, size, err := ReadIntegrity(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if err := f.Truncate(size); err != nil {
		return nil, err
	}
	if _, err := f.Seek(size, 0); err != nil {
		return nil, err
	}
	if err := atomicfile.Remove(filepath.Join(dir, DoneFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	w = &Writer{dir, f, entries}
	if err := w.removeTemporary(); err != nil {
		return nil, err
	}
	return w, w.adopt()
}

// removeTemporary removes files that were not completely written.
func (w *Writer) removeTemporary() error {
	names, err := os.ReadDir(w.dir)
	if err != nil {
		return err
	}
	for _, e := range names {
		if name, temporary := strings.CutSuffix(e.Name(), ".tmp"); temporary && isPicture(name) {
			if err := atomicfile.Remove(filepath.Join(w.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// adopt lists pictures that were complete when the power was cut, but not listed yet.
func (w *Writer) adopt() error {
	names, err := Pictures(w.dir)
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	for _, e := range w.entries {
		listed[e.Name] = true
	}
	for _, name := range names {
		if listed[name] {
			continue
		}
		data, err := os.ReadFile(filepath.Join(w.dir, name))
		if err != nil {
			return err
		}
		if _, err := w.list(name, data); err != nil {
			return err
		}
	}
	return nil
}

// Dir returns the directory of the data set.
func (w *Writer) Dir() string { return w.dir }

// Entries returns the confirmed files: metadata.json and the pictures in their order.
func (w *Writer) Entries() []Entry { return w.entries }

// Add writes a picture and its line in integrity.check durably. It fails if a file of this name exists, or if the name
// is not that of a JPEG file.
func (w *Writer) Add(name string, data []byte) (Entry, error) {
	if !isPicture(name) || name != filepath.Base(name) {
		return Entry{}, fmt.Errorf("picture %q: want a file name that ends with .jpg", name)
	}
	to := filepath.Join(w.dir, name)
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return Entry{}, errors.Join(fmt.Errorf("picture %s exists", to), err)
	}
	if err := atomicfile.Write(to, data, 0o644); err != nil {
		return Entry{}, err
	}
	return w.list(name, data)
}

// list appends the line of a file to integrity.check durably. A line that could not be written is removed.
func (w *Writer) list(name string, data []byte) (Entry, error) {
	e, err := NewEntry(name, bytes.NewReader(data))
	if err != nil {
		return e, err
	}
	at, err := w.integrity.Seek(0, 1)
	if err != nil {
		return e, err
	}
	_, err = w.integrity.WriteString(e.String() + "\n")
	if err = errors.Join(err, w.integrity.Sync()); err != nil {
		_, seekErr := w.integrity.Seek(at, 0)
		return e, errors.Join(err, w.integrity.Truncate(at), seekErr)
	}
	w.entries = append(w.entries, e)
	return e, nil
}

// Close closes the data set. Confirmed pictures need no Close.
func (w *Writer) Close() error { return w.integrity.Close() }

// mkdirAll creates a directory and its parents durably.
func mkdirAll(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := mkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return atomicfile.SyncDir(parent)
}
