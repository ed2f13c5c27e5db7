package ext4

import (
	"io"
	"os"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// SparseReaderAt is an io.ReaderAt for the content of a sparse file, which also tells which ranges hold data.
type SparseReaderAt interface {
	io.ReaderAt
	// NextData returns the next range of data that ends behind an offset. Without one, start is the size or more.
	NextData(offset int64) (start, end int64, err error)
}

// minSparse is the size in bytes below which holes are not looked for.
const minSparse = 64 << 10

// dataFinder caches the last range of data of each file: the tar of a layer holds many contents in one range, whose end
// the kernel may take long to find.
type dataFinder map[*os.File]struct{ start, end int64 }

// find returns the blocks of a content that have data, or nil for all of them.
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
		if end := st.Size() - c.Offset; st.Mode().IsRegular() && end < c.Size { // not a hole at the end
			return nil, shortContent(end, c.Size)
		}
		return dataSpans(func(offset int64) (int64, int64, error) { return d.next(r, offset) }, c)
	}
	return nil, nil
}

// dataSpans returns the blocks that have data, contiguous ones in one span.
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

// next returns the next range of data of a file.
func (d dataFinder) next(f *os.File, offset int64) (start, end int64, err error) {
	if last := d[f]; last.start <= offset && offset < last.end {
		return offset, last.end, nil
	}
	start, end, err = tree.NextData(f, offset)
	d[f] = struct{ start, end int64 }{start, end}
	return start, end, err
}
