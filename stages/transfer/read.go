package transfer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"
)

// source is a file to import.
type source interface {
	io.ReaderAt
	io.ReadSeeker
}

// File is a file to import whose index was read.
type File struct {
	Index   Index
	from    source
	members map[string]section
}

// section is where the content of a member lies.
type section struct{ at, size int64 }

// Read finds out what is in a file, without reading the contents: Verify does.
func Read(from source) (*File, error) {
	f := &File{from: from, members: map[string]section{}}
	order, err := f.scan()
	if err != nil {
		return nil, fmt.Errorf("read what is in the file: %w", err)
	}
	index, known := f.members[indexMember]
	if !known || order[len(order)-1] != indexMember {
		return nil, errors.New("this is no stage that was exported, or only its beginning: export it again")
	}
	if index.size > maxIndex {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", indexMember, index.size, maxIndex)
	}
	data, err := io.ReadAll(f.open(indexMember))
	if err != nil {
		return nil, err
	}
	if f.Index, err = parseIndex(data); err != nil {
		return nil, err
	}
	return f, f.agree(order[:len(order)-1])
}

// scan finds the members. What could lead elsewhere or stand for more than it is, is refused.
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
			return nil, fmt.Errorf("it has more than %d members", maxMembers)
		case h.Typeflag != tar.TypeReg || len(h.PAXRecords) > 0:
			return nil, fmt.Errorf("member %.100q is no plain file", h.Name)
		case twice:
			return nil, fmt.Errorf("member %.100q is there twice", h.Name)
		case h.Size > end-at:
			return nil, fmt.Errorf("it ends within %.100q: export or copy it again", h.Name)
		}
		f.members[h.Name] = section{at, h.Size}
		order = append(order, h.Name)
	}
}

// agree tells whether the members are those that the index lists.
func (f *File) agree(order []string) error {
	listed := make([]string, len(f.Index.Members))
	for n, m := range f.Index.Members {
		listed[n] = m.Name
		if s, known := f.members[m.Name]; known && s.size != m.Size {
			return fmt.Errorf("%s has %d bytes, and %s says %d", m.Name, s.size, indexMember, m.Size)
		}
	}
	if !slices.Equal(listed, order) {
		return fmt.Errorf("the file has other members than its %s says", indexMember)
	}
	return nil
}

func (f *File) open(name string) *io.SectionReader {
	s := f.members[name]
	return io.NewSectionReader(f.from, s.at, s.size)
}

// small reads a member that is small, and checks its digest.
func (f *File) small(name string, most int64) ([]byte, error) {
	m, known := f.Index.member(name)
	if !known {
		return nil, fmt.Errorf("%s is not in the file", name)
	}
	if m.Size > most {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", name, m.Size, most)
	}
	data, err := io.ReadAll(f.open(name))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, damaged(name, digest.FromBytes(data), m.Digest)
}

func damaged(name string, got, want digest.Digest) error {
	if got != want {
		return fmt.Errorf("%s is damaged: its SHA-256 is %s, not %s; copy or export the file again", name, got.Encoded(), want.Encoded())
	}
	return nil
}
