package ext4

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// A SparseReaderAt is the reader of a layers.Content that knows where it has data.
type SparseReaderAt interface {
	io.ReaderAt
	// NextData is the next range of data that ends behind an offset. It begins at the size of the whole, or behind
	// it, if there is none.
	NextData(offset int64) (start, end int64, err error)
}

// minSparse is the size below which nobody looks for holes.
const minSparse = 64 << 10

// dataFinder remembers where the last data of each file was found: a file that holds many contents, as the tar of a
// layer, is one range of data, and a kernel may take long to find the end of it.
type dataFinder map[*os.File]struct{ start, end int64 }

// find tells which blocks of a content are worth storing: nil for all of them.
func (d dataFinder) find(c tree.Content) ([]span, error) {
	if c.Size < minSparse {
		return nil, nil
	}
	switch r := c.ReaderAt.(type) {
	case SparseReaderAt:
		return dataSpans(r.NextData, c)
	case *os.File:
		st, err := r.Stat()
		if err != nil {
			return nil, err
		}
		if end := st.Size() - c.Offset; st.Mode().IsRegular() && end < c.Size { // its end is not a hole
			return nil, shortContent(end, c.Size)
		}
		return dataSpans(func(offset int64) (int64, int64, error) { return d.next(r, offset) }, c)
	}
	return nil, nil
}

// dataSpans collects the blocks that data touches, those that follow each other in one span.
func dataSpans(next func(int64) (int64, int64, error), c tree.Content) ([]span, error) {
	spans := []span{}
	for at := c.Offset; at < c.Offset+c.Size; {
		start, end, err := next(at)
		if err != nil {
			return nil, err
		}
		if start >= c.Offset+c.Size {
			break
		}
		first := uint32((max(start, at) - c.Offset) / blockSize)
		last := uint32(ceil(min(end, c.Offset+c.Size)-c.Offset, blockSize))
		at = end
		if n := len(spans); n > 0 {
			before := &spans[n-1]
			if first <= before.start+before.length {
				before.length = last - before.start
				continue
			}
		}
		spans = append(spans, span{first, last - first})
	}
	if len(spans) == 1 && int64(spans[0].length) == ceil(c.Size, blockSize) {
		return nil, nil
	}
	return spans, nil
}

// next is the next range of data of a file.
func (d dataFinder) next(f *os.File, offset int64) (start, end int64, err error) {
	if last := d[f]; last.start <= offset && offset < last.end {
		return offset, last.end, nil
	}
	start, end, err = seekData(f, offset)
	d[f] = struct{ start, end int64 }{start, end}
	return start, end, err
}

// seekData finds the next data of a file. One that cannot tell has data everywhere.
func seekData(f *os.File, offset int64) (start, end int64, err error) {
	start, err = f.Seek(offset, unix.SEEK_DATA)
	if errors.Is(err, syscall.ENXIO) {
		return 1<<63 - 1, 1<<63 - 1, nil
	}
	if errors.Is(err, syscall.EINVAL) {
		return offset, 1<<63 - 1, nil
	}
	if err != nil {
		return 0, 0, err
	}
	end, err = f.Seek(start, unix.SEEK_HOLE)
	return start, end, err
}
