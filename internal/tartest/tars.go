// Package tartest makes layers of container images, for tests: small ones with all that an archive can have. They are
// the same at every call. It makes no images of them.
package tartest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"time"
)

// Entry is an entry of a tar archive in a test: its header and content. Of sets the header's size.
type Entry struct {
	tar.Header
	Content string
}

// Dir returns a tar entry for a directory with mode 0755.
func Dir(name string) Entry {
	return Entry{tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755}, ""}
}

// File returns a tar entry for a regular file with mode 0644.
func File(name, content string) Entry {
	return Entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, content}
}

// Symlink returns a tar entry for a symbolic link.
func Symlink(name, target string) Entry {
	return Entry{tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, ""}
}

// Link returns a tar entry for a hard link to an earlier entry.
func Link(name, target string) Entry {
	return Entry{tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o644}, ""}
}

// Device returns a tar entry for a device or a FIFO with mode 0660. kind is a type flag of package tar.
func Device(kind byte, name string, major, minor int64) Entry {
	return Entry{tar.Header{Typeflag: kind, Name: name, Mode: 0o660, Devmajor: major, Devminor: minor}, ""}
}

// With returns the entry after change has modified its tar header.
func (e Entry) With(change func(*tar.Header)) Entry {
	change(&e.Header)
	return e
}

// Written returns the modification time of tar entries that set no other.
func Written() time.Time { return time.Date(2025, 3, 4, 5, 6, 7, 123456789, time.UTC) }

// Of returns an uncompressed tar archive of the entries. It fails for an entry that tar cannot store, and names it.
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
