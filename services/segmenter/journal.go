package segmenter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
)

// journalDir holds the results of single pictures while a data set is being segmented. It is in the directory of its
// cut-outs.
const journalDir = ".segmenter"

// header identifies a segmentation: with another one, nothing can be reused.
type header struct {
	Version  string    `json:"version"`
	Settings string    `json:"settings"`
	Pictures []string  `json:"pictures"`
	Sizes    []int64   `json:"sizes"` // of the pictures, in bytes
	Started  time.Time `json:"started"`
}

// record is the result of a picture.
type record struct {
	Picture string   `json:"picture"`
	Skipped string   `json:"skipped,omitempty"` // why the picture is left out
	Objects []Object `json:"objects,omitempty"`
}

// journal is the directory of an unfinished segmentation.
type journal struct {
	dir     string // of the cut-outs
	header  header
	records []record
}

// openJournal continues the journal in a directory of cut-outs. If it belongs to another segmentation or is damaged, it
// removes the old results and begins a new one. The header's time becomes that of the beginning.
func openJournal(dir string, h header) (*journal, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	j := &journal{dir: dir, header: h}
	if j.load() {
		return j, nil
	}
	if err := removeResults(dir); err != nil {
		return nil, err
	}
	j.header, j.records = h, nil
	if err := os.Mkdir(filepath.Join(dir, journalDir), 0o755); err != nil {
		return nil, err
	}
	data, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return j, atomicfile.Write(filepath.Join(dir, journalDir, "run.json"), data, 0o644)
}

// load reads the journal, and reports whether it belongs to the segmentation.
func (j *journal) load() bool {
	var h header
	if readJSON(filepath.Join(j.dir, journalDir, "run.json"), &h) != nil {
		return false
	}
	want := j.header
	want.Started = h.Started
	if fmt.Sprint(h) != fmt.Sprint(want) {
		return false
	}
	j.header = h
	for i, name := range h.Pictures {
		var r record
		if readJSON(j.file(i), &r) != nil || r.Picture != name || !r.valid(j.dir) {
			break
		}
		j.records = append(j.records, r)
	}
	return true
}

// valid reports whether a record that was read has all features and cut-outs.
func (r record) valid(dir string) bool {
	for _, o := range r.Objects {
		if len(o.Features) != len(FeatureNames) {
			return false
		}
		if _, err := os.Stat(filepath.Join(dir, o.Cutout())); err != nil {
			return false
		}
	}
	return true
}

// file returns the name of the record of picture i.
func (j *journal) file(i int) string {
	return filepath.Join(j.dir, journalDir, fmt.Sprintf("%06d.json", i))
}

// add stores the cut-outs and then the record of the next picture durably.
func (j *journal) add(r record, cutouts [][]byte) error {
	for i, o := range r.Objects {
		if err := os.WriteFile(filepath.Join(j.dir, o.Cutout()), cutouts[i], 0o644); err != nil {
			return err
		}
	}
	if len(cutouts) > 0 {
		if err := syncFileSystem(j.dir); err != nil {
			return err
		}
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("features of %s: %w", r.Picture, err)
	}
	if err := atomicfile.Write(j.file(len(j.records)), data, 0o644); err != nil {
		return err
	}
	j.records = append(j.records, r)
	return nil
}

// remove removes the journal after the end of the segmentation.
func (j *journal) remove() error { return os.RemoveAll(filepath.Join(j.dir, journalDir)) }

// syncFileSystem writes back everything of the file system of a directory: for hundreds of small files this is faster
// than a sync of each.
func syncFileSystem(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("sync the file system of %s: %w", dir, err)
	}
	return nil
}

// removeResults removes the journal, the cut-outs and the table of an earlier segmentation.
func removeResults(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	errs := []error{os.RemoveAll(filepath.Join(dir, journalDir))}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); e.Type().IsRegular() && (ext == ".jpg" || ext == ".tsv" && strings.HasPrefix(e.Name(), "ecotaxa_")) {
			errs = append(errs, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// readJSON reads a file.
func readJSON(name string, into any) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return &fs.PathError{Op: "decode", Path: name, Err: err}
	}
	return nil
}
