// Package dataset reads and writes the directory of an acquisition: its pictures, metadata.json and integrity.check. The
// controller writes data sets, and the segmenter reads them. The package does not know cameras or image formats.
package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
)

// The files of a data set beside its pictures.
const (
	MetadataFile  = "metadata.json"
	IntegrityFile = "integrity.check"
	DoneFile      = "done.txt" // time of the last complete segmentation
)

// maxName is the limit of Linux file systems for the bytes of a file name.
const maxName = 255

// FileName returns an identifier as the name of a directory: without quotes around it, and with an underscore for each
// space. It fails if the result is no file name. The key names the identifier in the error, such as "sample_id".
func FileName(key, id string) (string, error) {
	name := strings.ReplaceAll(strings.Trim(id, "'"), " ", "_")
	switch {
	case name == "":
		return "", fmt.Errorf("%s is empty", key)
	case strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r < ' ' || r == 0x7f }):
		return "", fmt.Errorf("%s %q: slashes and control characters are not allowed", key, id)
	case strings.HasPrefix(name, "."):
		return "", fmt.Errorf("%s %q: a dot at the beginning is not allowed", key, id)
	case len(name) > maxName:
		return "", fmt.Errorf("%s is longer than %d bytes", key, maxName)
	}
	return name, nil
}

// Path returns the directory of a data set relative to the directory of all pictures: object_date, sample_id and acq_id
// of its metadata as file names. It fails if one of them is missing or no file name.
func Path(m *Metadata) (string, error) {
	var parts []string
	for _, key := range []string{"object_date", "sample_id", "acq_id"} {
		name, err := FileName(key, m.Text(key))
		if err != nil {
			return "", err
		}
		parts = append(parts, name)
	}
	return filepath.Join(parts...), nil
}

// Find returns the directories at and below dir that have a metadata.json, sorted. Without recursive it returns dir or
// nothing. It skips hidden directories, follows no symlinks, and fails if dir or a directory below it cannot be read.
func Find(dir string, recursive bool) ([]string, error) {
	var found []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != dir && (!recursive || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.Name() == MetadataFile && d.Type().IsRegular():
			found = append(found, filepath.Dir(name))
		}
		return nil
	})
	slices.Sort(found)
	return found, err
}

// Pictures returns the names of the JPEG files in a data set, sorted by name, which is the order of their acquisition.
func Pictures(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && isPicture(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// isPicture reports whether a file name is that of a JPEG picture.
func isPicture(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return (ext == ".jpg" || ext == ".jpeg") && !strings.HasPrefix(name, ".")
}

// IsDone reports whether a data set (a directory of pictures from one acquisition) has been segmented: whether it has
// the file done.txt. A missing directory is not done, without an error.
func IsDone(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, DoneFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// MarkDone durably writes the time at which a data set was segmented to its done.txt, in UTC and without a newline. It
// replaces an earlier time.
func MarkDone(dir string, at time.Time) error {
	return atomicfile.Write(filepath.Join(dir, DoneFile), []byte(at.UTC().Format("2006-01-02T15:04:05.000000")), 0o644)
}

// ReadMetadata reads the metadata.json of a data set. It fails with fs.ErrNotExist if there is none.
func ReadMetadata(dir string) (*Metadata, error) {
	data, err := os.ReadFile(filepath.Join(dir, MetadataFile))
	if err != nil {
		return nil, err
	}
	m := &Metadata{}
	if err := m.UnmarshalJSON(data); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, MetadataFile), err)
	}
	return m, nil
}

// writeMetadata writes the metadata.json of a data set durably.
func writeMetadata(ctx context.Context, dir string, m *Metadata) ([]byte, error) {
	data, err := m.Indented()
	if err != nil {
		return nil, err
	}
	return data, atomicfile.Replace(ctx, filepath.Join(dir, MetadataFile), func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}
