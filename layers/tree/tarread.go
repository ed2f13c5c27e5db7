package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tarBlock is the unit of a tar, in bytes.
const tarBlock = 512

// tarReader reads the entries of a tar and finds where their contents lie.
type tarReader struct {
	entries *tar.Reader
	archive Archive
	size    int64 // of the archive
	begin   int64 // where the headers of the entry begin
	data    int64 // where its content begins
	end     int64 // where the next entry begins
}

func newTarReader(r Archive) (*tarReader, error) {
	begin, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if size == begin {
		return nil, errors.New("file is empty: even an archive without entries has two blocks")
	}
	_, err = r.Seek(begin, io.SeekStart)
	return &tarReader{entries: tar.NewReader(r), archive: r, size: size, end: begin}, err
}

// next is the header of the next entry, or io.EOF.
func (in *tarReader) next() (*tar.Header, error) {
	in.begin = in.end
	h, err := in.entries.Next()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, in.describe(err)
	}
	if err != nil || h.Typeflag == tar.TypeXGlobalHeader {
		return h, err // what it says is part of the next entry's headers
	}
	if in.data, err = in.archive.Seek(0, io.SeekCurrent); err != nil {
		return nil, err
	}
	in.end = in.data
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont, typeVolume:
		in.end += roundUp(h.Size)
	}
	return h, nil
}

// describe says what is wrong with the headers of an entry, and which it is as far as they tell.
func (in *tarReader) describe(err error) error {
	what := strings.TrimPrefix(err.Error(), "archive/tar: ")
	switch {
	case errors.Is(err, tar.ErrHeader):
		what = "header is damaged"
	case errors.Is(err, tar.ErrFieldTooLong):
		what = "header has more than 1 MiB"
	case errors.Is(err, io.ErrUnexpectedEOF):
		what = "archive ends within the entry"
	}
	if errors.Is(err, tar.ErrHeader) && in.begin == 0 {
		what += ", or the file is not a tar archive"
	}
	_, header, e := mainHeader(in.archive, in.begin)
	if e != nil {
		return fmt.Errorf("entry at byte %d: %s", in.begin, what)
	}
	name, _, _ := strings.Cut(string(header[:100]), "\x00")
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("entry at byte %d: %s", in.begin, what)
	}
	return fmt.Errorf("entry %q at byte %d: %s", name, in.begin, what)
}

// content is where the content of a regular file lies.
func (in *tarReader) content(h *tar.Header) (Content, error) {
	if isSparse(h) {
		return in.sparse(h)
	}
	if left := in.size - in.data; h.Size > left {
		return Content{}, fmt.Errorf("archive ends after %d of %d bytes of content", left, h.Size)
	}
	return Content{ReaderAt: in.archive, Offset: in.data, Size: h.Size}, nil
}

// mainHeader finds the header of an entry behind those that only say more about it.
func mainHeader(r io.ReaderAt, at int64) (int64, []byte, error) {
	b := make([]byte, tarBlock)
	for {
		if _, err := r.ReadAt(b, at); err != nil {
			return 0, nil, err
		}
		switch b[156] {
		case tar.TypeXHeader, tar.TypeXGlobalHeader, tar.TypeGNULongName, tar.TypeGNULongLink:
			size, err := tarNumber(b[124:136])
			if err != nil {
				return 0, nil, err
			}
			at += tarBlock + roundUp(size)
		default:
			return at, b, nil
		}
	}
}

func roundUp(n int64) int64 { return (n + tarBlock - 1) / tarBlock * tarBlock }
