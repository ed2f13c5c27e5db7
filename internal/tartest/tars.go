// Package tars makes layers of container images, for tests: small ones with all that an archive can have. They are
// the same at every call. It makes no images of them.
package tartest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"time"
)

// Entry is an entry of an archive. Its size is that of its content.
type Entry struct {
	tar.Header
	Content string
}

// Dir is a directory with mode 0755.
func Dir(name string) Entry {
	return Entry{tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755}, ""}
}

// File is a regular file with mode 0644.
func File(name, content string) Entry {
	return Entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, content}
}

// Symlink is a symbolic link.
func Symlink(name, target string) Entry {
	return Entry{tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, ""}
}

// Link is a further name of an entry that comes before.
func Link(name, target string) Entry {
	return Entry{tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o644}, ""}
}

// Device is a device or a FIFO with mode 0660.
func Device(kind byte, name string, major, minor int64) Entry {
	return Entry{tar.Header{Typeflag: kind, Name: name, Mode: 0o660, Devmajor: major, Devminor: minor}, ""}
}

// With changes the header of an entry.
func (e Entry) With(change func(*tar.Header)) Entry {
	change(&e.Header)
	return e
}

// Written is the time of all entries that have no other.
func Written() time.Time { return time.Date(2025, 3, 4, 5, 6, 7, 123456789, time.UTC) }

// Of is an uncompressed archive. The error names the entry that an archive cannot have.
func Of(entries ...Entry) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		e.Size, e.Format = int64(len(e.Content)), tar.FormatPAX
		if e.ModTime.IsZero() {
			e.ModTime = Written()
		}
		if err := w.WriteHeader(&e.Header); err != nil {
			return nil, fmt.Errorf("archive %q: %w", e.Name, err)
		}
		if _, err := w.Write([]byte(e.Content)); err != nil {
			return nil, fmt.Errorf("archive %q: %w", e.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return out.Bytes(), nil
}
