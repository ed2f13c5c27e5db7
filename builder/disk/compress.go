package disk

import (
	"io"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Compression is a way to make an image smaller.
type Compression string

// The compressions.
const (
	None Compression = ""
	Zstd Compression = "zstd"
	XZ   Compression = "xz"
)

// Suffix is that of the names of files.
func (c Compression) Suffix() string {
	return map[Compression]string{Zstd: ".zst", XZ: ".xz"}[c]
}

// CompressionOf is the compression that the name of a file tells.
func CompressionOf(name string) Compression {
	for _, c := range []Compression{Zstd, XZ} {
		if strings.HasSuffix(name, c.Suffix()) {
			return c
		}
	}
	return None
}

// partSize is what is compressed by itself. Where a part begins depends on nothing but its place on the disk, so that
// the number of threads changes no byte.
const partSize = 8 << 20

// format is how compressed parts make a file.
type format interface {
	encode(part []byte) ([]byte, error) // of several at a time
	add(w io.Writer, encoded []byte) error
	end(w io.Writer) error
}

// compressor is a sink that compresses as many parts at a time as there are threads.
type compressor struct {
	format  format
	w       io.Writer
	threads int
	at      int64    // where the last of the parts begins
	parts   [][]byte // nil: a hole
	hole    []byte   // a whole part of zeroes, compressed
}

func newCompressor(w io.Writer, o Options) *compressor {
	c := &compressor{w: w, threads: o.Threads, format: newZstd(), parts: make([][]byte, 1)}
	if o.Compression == XZ {
		c.format = &xzFormat{}
	}
	if c.threads == 0 {
		c.threads = runtime.GOMAXPROCS(0)
	}
	return c
}

// WriteAt implements io.WriterAt.
func (c *compressor) WriteAt(b []byte, offset int64) (int, error) {
	for done := 0; done < len(b); {
		at := offset + int64(done)
		for at >= c.at+partSize {
			if err := c.next(); err != nil {
				return done, err
			}
		}
		part := &c.parts[len(c.parts)-1]
		if *part == nil {
			*part = make([]byte, partSize)
		}
		done += copy((*part)[at-c.at:], b[done:])
	}
	return len(b), nil
}

// batch is the number of parts for each thread that are gathered: with one the slowest part would hold up the others.
const batch = 2

// next begins another part.
func (c *compressor) next() error {
	if len(c.parts) == batch*c.threads {
		if err := c.flush(); err != nil {
			return err
		}
	}
	c.parts = append(c.parts, nil)
	c.at += partSize
	return nil
}

// flush compresses the parts and writes them in order.
func (c *compressor) flush() error {
	if c.hole == nil {
		var err error
		if c.hole, err = c.format.encode(make([]byte, partSize)); err != nil {
			return err
		}
	}
	encoded := make([][]byte, len(c.parts))
	var group errgroup.Group
	group.SetLimit(c.threads)
	for i, part := range c.parts {
		if part == nil {
			encoded[i] = c.hole
			continue
		}
		group.Go(func() (err error) {
			encoded[i], err = c.format.encode(part)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, e := range encoded {
		if err := c.format.add(c.w, e); err != nil {
			return err
		}
	}
	c.parts = c.parts[:0]
	return nil
}

func (c *compressor) finish(size int64) error {
	for c.at+partSize < size {
		if err := c.next(); err != nil {
			return err
		}
	}
	last := &c.parts[len(c.parts)-1]
	if rest := size - c.at; rest < partSize {
		*last = append(*last, make([]byte, partSize-len(*last))...)[:rest]
	}
	if err := c.flush(); err != nil {
		return err
	}
	return c.format.end(c.w)
}
