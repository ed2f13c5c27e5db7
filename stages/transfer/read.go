package transfer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"
)

// source is the content of a file to import.
type source interface {
	io.ReaderAt
	io.ReadSeeker
}

// File is an exported stage in a file, opened for import: its index, and where its members lie.
type File struct {
	Index   Index
	from    source
	members map[string]section
}

// section is the position of a member's content.
type section struct{ at, size int64 }

// Read reads the index of an exported file and compares it with the list of the archive's members. It does not read the
// members' contents; Verify does.
func Read(from source) (*File, error) {
	f := &File{from: from, members: map[string]section{}}
	order, err := f.scan()
	if err != nil {
		return nil, fmt.Errorf("read the exported file: %w", err)
	}
	index, known := f.members[indexMember]
	if !known || order[len(order)-1] != indexMember {
		return nil, errors.New("not an exported stage, or incomplete: export it again")
	}
	if index.size > maxIndex {
		return nil, fmt.Errorf("member %s has %d bytes: at most %d are allowed", indexMember, index.size, maxIndex)
	}
	data, err := io.ReadAll(f.open(indexMember))
	if err != nil {
		return nil, err
	}
	if f.Index, err = parseIndex(data); err != nil {
		return nil, err
	}
	return f, f.compareMembers(order[:len(order)-1])
}

// scan returns the names of the members in order. It rejects everything but plain files.
func (f *File) scan() (order []string, err error) {
	end, err := f.from.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if _, err := f.from.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	r := tar.NewReader(f.from)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return order, nil
		}
		if err != nil {
			return nil, err
		}
		at, err := f.from.Seek(0, io.SeekCurrent) // tar reads no further than it has to
		if err != nil {
			return nil, err
		}
		_, twice := f.members[h.Name]
		switch {
		case len(order) == maxMembers:
			return nil, fmt.Errorf("file has more than the allowed %d members", maxMembers)
		case h.Typeflag != tar.TypeReg || len(h.PAXRecords) > 0:
			return nil, fmt.Errorf("member %.100q is not a regular file without PAX records", h.Name)
		case twice:
			return nil, fmt.Errorf("member %.100q exists twice", h.Name)
		case h.Size > end-at:
			return nil, fmt.Errorf("file ends within member %.100q: export or copy it again", h.Name)
		}
		f.members[h.Name] = section{at, h.Size}
		order = append(order, h.Name)
	}
}

// compareMembers returns an error unless the members are those in the index.
func (f *File) compareMembers(order []string) error {
	listed := make([]string, len(f.Index.Members))
	for n, m := range f.Index.Members {
		listed[n] = m.Name
		if s, known := f.members[m.Name]; known && s.size != m.Size {
			return fmt.Errorf("member %s has %d bytes, but %d in %s", m.Name, s.size, m.Size, indexMember)
		}
	}
	if !slices.Equal(listed, order) {
		return fmt.Errorf("file has other members than its %s lists", indexMember)
	}
	return nil
}

func (f *File) open(name string) *io.SectionReader {
	s := f.members[name]
	return io.NewSectionReader(f.from, s.at, s.size)
}

// small reads and verifies a member of at most limit bytes.
func (f *File) small(name string, limit int64) ([]byte, error) {
	m, known := f.Index.member(name)
	if !known {
		return nil, fmt.Errorf("file has no member %s", name)
	}
	if m.Size > limit {
		return nil, fmt.Errorf("member %s has %d bytes: at most %d are allowed", name, m.Size, limit)
	}
	data, err := io.ReadAll(f.open(name))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, checkDigest(name, digest.FromBytes(data), m.Digest)
}

// checkDigest returns an error if a member has another digest than expected.
func checkDigest(name string, got, want digest.Digest) error {
	if got != want {
		return fmt.Errorf("%s is damaged: SHA-256 is %s, want %s; copy or export the file again", name, got.Encoded(), want.Encoded())
	}
	return nil
}
