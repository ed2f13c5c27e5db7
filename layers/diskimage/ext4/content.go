package ext4

import (
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

const (
	extentMagic = 0xf30a
	extentSize  = 12 // of the header, and of each entry
	maxDepth    = 5  // of the tree of extents
	unwritten   = 1 << 15
)

// extent is a run of bytes of a file, and where they lie in the image.
type extent struct {
	from, to int64
	at       int64
}

// content reads a file that lies in pieces. What none of them covers is zeroes.
type content struct {
	fs     *fileSystem
	size   int64
	pieces []extent // in the order of the file
	end    int64    // of the extents so far
}

// extents reads a node of the tree of extents, and those below it.
func (c *content) extents(node []byte, depth int) error {
	count, level := int(le.Uint16(node[2:])), int(le.Uint16(node[6:]))
	if le.Uint16(node) != extentMagic || level >= depth || count == 0 && depth < maxDepth || (count+1)*extentSize > len(node) {
		return errors.New("its tree of extents is broken")
	}
	for e := node[extentSize : (count+1)*extentSize]; len(e) > 0; e = e[extentSize:] {
		if level == 0 {
			if err := c.extent(e); err != nil {
				return err
			}
			continue
		}
		below, err := c.fs.block(uint64(le.Uint32(e[4:])) | uint64(le.Uint16(e[8:]))<<32)
		if err != nil {
			return err
		}
		if err := c.extents(below, level); err != nil {
			return err
		}
	}
	return nil
}

// extent adds a run of blocks. One that is allocated and not yet written reads as zeroes, as a hole does.
func (c *content) extent(e []byte) error {
	first, length := int64(le.Uint32(e)), int64(le.Uint16(e[4:]))
	from, hole := first*c.fs.blockSize, length > unwritten
	if hole {
		length -= unwritten
	}
	if from < c.end || length == 0 {
		return errors.New("its extents overlap")
	}
	if c.end = from + length*c.fs.blockSize; hole {
		return nil
	}
	start := uint64(le.Uint32(e[8:])) | uint64(le.Uint16(e[6:]))<<32
	if start+uint64(length) > c.fs.blocks {
		return fmt.Errorf("blocks %d to %d of %d", start, start+uint64(length)-1, c.fs.blocks)
	}
	x := extent{from: from, to: c.end, at: c.fs.at(start)}
	if n := len(c.pieces); n > 0 {
		if last := &c.pieces[n-1]; x.from == last.to && x.at == last.at+last.to-last.from {
			last.to = x.to
			return nil
		}
	}
	c.pieces = append(c.pieces, x)
	return nil
}

// where is the content: a part of the image where it lies there in one piece.
func (c *content) where() tree.Content {
	if len(c.pieces) == 1 && c.pieces[0].from == 0 && c.pieces[0].to >= c.size {
		return tree.Content{ReaderAt: c.fs.image, Offset: c.pieces[0].at, Size: c.size}
	}
	return tree.Content{ReaderAt: c, Size: c.size}
}

// ReadAt implements io.ReaderAt.
func (c *content) ReadAt(b []byte, off int64) (read int, err error) {
	if off >= c.size {
		return 0, io.EOF
	}
	if off+int64(len(b)) > c.size {
		b, err = b[:c.size-off], io.EOF
	}
	next := sort.Search(len(c.pieces), func(i int) bool { return c.pieces[i].to > off })
	for read < len(b) {
		at, rest := off+int64(read), b[read:]
		if next == len(c.pieces) {
			clear(rest)
			return len(b), err
		}
		p := c.pieces[next]
		if at < p.from {
			n := min(int64(len(rest)), p.from-at)
			clear(rest[:n])
			read += int(n)
			continue
		}
		n := min(int64(len(rest)), p.to-at)
		if _, err := c.fs.image.ReadAt(rest[:n], p.at+at-p.from); err != nil {
			return read, err
		}
		read += int(n)
		next++
	}
	return read, err
}
