package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"strings"
)

// The formats in which GNU tar stores sparse files, which archive/tar reads but does not tell the holes of.
// https://www.gnu.org/software/tar/manual/html_section/Sparse-Formats.html
const (
	sparseMajor = "GNU.sparse.major"
	sparseMinor = "GNU.sparse.minor"
	sparseMap   = "GNU.sparse.map"
)

// span is a piece of data of a sparse file.
type span struct {
	at, size int64 // in the file
	place    int64 // in the archive
}

// sparse is the content of a sparse file. It knows where it has data.
type sparse struct {
	io.ReaderAt
	spans []span // in ascending order, none empty
	size  int64
}

// ReadAt implements io.ReaderAt.
func (s *sparse) ReadAt(b []byte, at int64) (int, error) {
	if at < 0 || at >= s.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), s.size-at))
	clear(b[:n])
	for _, p := range s.from(at) {
		from, to := max(p.at, at), min(p.at+p.size, at+int64(n))
		if from >= to {
			break
		}
		if m, err := s.ReaderAt.ReadAt(b[from-at:to-at], p.place+from-p.at); m < int(to-from) {
			return int(from-at) + m, err
		}
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// NextData returns the first range of data that ends after an offset. If there is none, start is the size of the file.
func (s *sparse) NextData(offset int64) (start, end int64, err error) {
	for _, p := range s.from(offset) {
		return max(p.at, offset), p.at + p.size, nil
	}
	return s.size, s.size, nil
}

// from are the spans that end behind an offset.
func (s *sparse) from(at int64) []span {
	return s.spans[sort.Search(len(s.spans), func(i int) bool { return s.spans[i].at+s.spans[i].size > at }):]
}

func isSparse(h *tar.Header) bool {
	return h.Typeflag == tar.TypeGNUSparse || h.PAXRecords[sparseMajor] != "" || h.PAXRecords[sparseMap] != ""
}

// sparse is the content of a sparse file. archive/tar has checked the order of its map.
func (in *tarReader) sparse(h *tar.Header) (Content, error) {
	at, header, err := mainHeader(in.archive, in.begin)
	if err != nil {
		return Content{}, err
	}
	stored, err := storedSize(h, header)
	if err != nil {
		return Content{}, err
	}
	places, mapEnd, err := in.sparsePlaces(h, header, at+tarBlock)
	if err != nil {
		return Content{}, fmt.Errorf("sparse map: %w", err)
	}
	in.end = in.data + roundUp(stored)
	if version(h) == "1.0" {
		in.end = at + tarBlock + roundUp(stored)
		stored -= in.data - at - tarBlock
	}
	if mapEnd != in.data {
		return Content{}, fmt.Errorf("sparse map: ends at byte %d, but its data begin at %d", mapEnd, in.data)
	}
	s := &sparse{ReaderAt: in.archive, size: h.Size}
	place := in.data
	for i := 0; i+1 < len(places); i += 2 {
		if size := places[i+1]; size > 0 {
			s.spans = append(s.spans, span{places[i], size, place})
			place += size // no overflow: archive/tar has checked that the spans fit into the size, one behind the other
		}
	}
	if place-in.data != stored {
		return Content{}, fmt.Errorf("sparse map: maps %d bytes of data, archive has %d", place-in.data, stored)
	}
	if place > in.size {
		return Content{}, fmt.Errorf("archive ends after %d of %d bytes of content", in.size-in.data, stored)
	}
	return Content{ReaderAt: s, Size: h.Size}, nil
}

func version(h *tar.Header) string {
	return h.PAXRecords[sparseMajor] + "." + h.PAXRecords[sparseMinor]
}

// storedSize is how many bytes an entry has in the archive.
func storedSize(h *tar.Header, header []byte) (int64, error) {
	if size, ok := h.PAXRecords["size"]; ok {
		return strconv.ParseInt(size, 10, 64)
	}
	return tarNumber(header[124:136])
}

// sparsePlaces reads the map of a sparse file: offset and length of each piece of data. Its end is where the data
// begin.
func (in *tarReader) sparsePlaces(h *tar.Header, header []byte, at int64) (places []int64, end int64, err error) {
	if h.Typeflag == tar.TypeGNUSparse {
		return in.gnuPlaces(header, at)
	}
	switch version(h) {
	case "1.0":
		return in.textPlaces(at)
	case "0.0", "0.1", ".":
		if h.PAXRecords[sparseMap] == "" {
			return nil, at, nil
		}
		places, err = numbers(strings.Split(h.PAXRecords[sparseMap], ","))
		return places, at, err
	}
	return nil, 0, fmt.Errorf("version %s is not supported", version(h))
}

// gnuPlaces reads the map of the old format: four entries in the header, and more in the blocks behind it.
func (in *tarReader) gnuPlaces(header []byte, at int64) (places []int64, end int64, err error) {
	entries, more := header[386:482], header[482]
	for {
		for ; len(entries) >= 24 && entries[0] != 0; entries = entries[24:] {
			offset, err1 := tarNumber(entries[:12])
			size, err2 := tarNumber(entries[12:24])
			if err := errors.Join(err1, err2); err != nil {
				return nil, 0, err
			}
			places = append(places, offset, size)
		}
		if more == 0 {
			return places, at, nil
		}
		b := make([]byte, tarBlock)
		if _, err := in.archive.ReadAt(b, at); err != nil {
			return nil, 0, err
		}
		at += tarBlock
		entries, more = b[:504], b[504]
	}
}

// textPlaces reads the map of format 1.0, which are lines before the data: how many pieces, then offset and length of
// each. archive/tar has read it already, so it ends before the data.
func (in *tarReader) textPlaces(at int64) (places []int64, end int64, err error) {
	text := make([]byte, in.data-at)
	if _, err := in.archive.ReadAt(text, at); err != nil {
		return nil, 0, err
	}
	lines := strings.Split(string(text), "\n")
	count, err := strconv.ParseInt(lines[0], 10, 32)
	if err != nil || count < 0 || 2*count+1 >= int64(len(lines)) {
		return nil, 0, fmt.Errorf("%.40q pieces of data in %d lines", lines[0], len(lines))
	}
	places, err = numbers(lines[1 : 2*count+1])
	return places, in.data, err
}

func numbers(texts []string) ([]int64, error) {
	list := make([]int64, len(texts))
	for i, text := range texts {
		var err error
		if list[i], err = strconv.ParseInt(text, 10, 64); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// tarNumber reads a number of a header: octal digits, or with the highest bit set a binary one.
func tarNumber(b []byte) (int64, error) {
	if b[0]&0x80 == 0 {
		text, _, _ := strings.Cut(strings.Trim(string(b), " \x00"), "\x00")
		if text == "" {
			return 0, nil
		}
		return strconv.ParseInt(text, 8, 64)
	}
	n := int64(b[0] & 0x7f)
	for _, c := range b[1:] {
		if n > math.MaxInt64>>8 {
			return 0, errors.New("a number does not fit 64 bits")
		}
		n = n<<8 | int64(c)
	}
	return n, nil
}
