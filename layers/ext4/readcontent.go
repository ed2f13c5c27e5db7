package ext4

import (
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// content reads a file by its extents. What lies between them reads as zeroes.
type content struct {
	*volume
	size    int64    // in bytes
	extents []extent // written ones, in the order of the file; contiguous ones are merged
	end     uint64   // logical block behind the last extent
}

var errExtents = errors.New("extent tree is damaged")

// addNode adds a node of the extent tree and everything below it, which must be less than so many levels.
func (c *content) addNode(node []byte, levels uint16) error {
	h := decode[extentHeader](node)
	end := (1 + int(h.Entries)) * extentEntrySize
	// A block without entries would let a damaged tree make the reader visit it over and over.
	if h.Magic != extentMagic || h.Depth >= levels || h.Entries == 0 && levels < maxExtentDepth || end > len(node) {
		return errExtents
	}
	for b := node[extentEntrySize:end]; len(b) > 0; b = b[extentEntrySize:] {
		var err error
		if h.Depth == 0 {
			err = c.addExtent(decode[diskExtent](b))
		} else {
			err = c.addBelow(decode[diskExtentIndex](b), h.Depth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *content) addBelow(index diskExtentIndex, levels uint16) error {
	if err := c.claim(c.blockSize()); err != nil {
		return err
	}
	node, err := c.block(join(index.LeafLo, index.LeafHi))
	if err != nil {
		return fmt.Errorf("extents: %w", err)
	}
	return c.addNode(node, levels)
}

// addExtent adds an extent, unless it is allocated but not yet written: then it reads as a hole does.
func (c *content) addExtent(d diskExtent) error {
	e := extent{logical: d.Block, length: uint32(d.Len), start: join(d.StartLo, d.StartHi)}
	unwritten := e.length > maxExtent
	if unwritten {
		e.length -= maxExtent
	}
	if uint64(e.logical) < c.end || e.length == 0 {
		return errExtents
	}
	if c.end = e.logicalEnd(); unwritten {
		return nil
	}
	if e.start+uint64(e.length) > c.blocks() {
		return fmt.Errorf("extent tree: blocks %d to %d are beyond the %d blocks of the file system", e.start, e.start+uint64(e.length)-1, c.blocks())
	}
	if n := len(c.extents); n > 0 {
		last := &c.extents[n-1]
		if last.logicalEnd() == uint64(e.logical) && last.start+uint64(last.length) == e.start {
			last.length += e.length
			return nil
		}
	}
	c.extents = append(c.extents, e)
	return nil
}

// place returns a part of the image if the content lies there in one piece, so that writers can copy it.
func (c *content) place() tree.Content {
	if len(c.extents) == 1 && c.extents[0].logical == 0 && int64(c.extents[0].length)*c.blockSize() >= c.size {
		return tree.Content{ReaderAt: c.image, Offset: c.position(c.extents[0].start), Size: c.size}
	}
	return tree.Content{ReaderAt: c, Size: c.size}
}

// ReadAt implements io.ReaderAt.
func (c *content) ReadAt(b []byte, offset int64) (read int, err error) {
	if offset >= c.size {
		return 0, io.EOF
	}
	if offset+int64(len(b)) > c.size {
		b, err = b[:c.size-offset], io.EOF
	}
	next := sort.Search(len(c.extents), func(i int) bool {
		return int64(c.extents[i].logicalEnd())*c.blockSize() > offset
	})
	for read < len(b) {
		at, rest := offset+int64(read), b[read:]
		if next == len(c.extents) {
			clear(rest)
			return len(b), err
		}
		e := c.extents[next]
		from, to := int64(e.logical)*c.blockSize(), int64(e.logicalEnd())*c.blockSize()
		if at < from {
			n := min(int64(len(rest)), from-at)
			clear(rest[:n])
			read += int(n)
			continue
		}
		n := min(int64(len(rest)), to-at)
		if _, err := c.image.ReadAt(rest[:n], c.position(e.start)+at-from); err != nil {
			return read, err
		}
		read += int(n)
		next++
	}
	return read, err
}
