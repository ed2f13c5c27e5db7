package disk

import (
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// Compression is a compression format for disk images, such as "zstd"; None is a raw image.
type Compression string

// The compressions.
const (
	None Compression = ""
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
	XZ   Compression = "xz"
)

// Compressions lists the compressions but None.
var Compressions = []Compression{Gzip, XZ, Zstd}

// Suffix returns the suffix of a compressed file's name, such as ".zst"; "" for None.
func (c Compression) Suffix() string {
	return map[Compression]string{Gzip: ".gz", Zstd: ".zst", XZ: ".xz"}[c]
}

// partSize is the unit of compression. The parts are compressed independently, and where they start depends only on the
// disk, so that the number of threads does not change the result.
const partSize = 8 << 20

// format is how compressed parts make a file.
type format interface {
	// encode compresses a part. It is called concurrently.
	encode(part []byte) ([]byte, error)
	// add writes the next part, given its content and its compressed form.
	add(w io.Writer, part, encoded []byte) error
	// end writes what follows the last part.
	end(w io.Writer) error
}

func newFormat(c Compression) format {
	switch c {
	case Gzip:
		return &gzipFormat{}
	case XZ:
		return &xzFormat{}
	}
	return newZstd()
}

// compressor is a sink that compresses as many parts concurrently as there are threads.
type compressor struct {
	format  format
	w       io.Writer
	threads int
	at      int64    // offset of the last part
	parts   [][]byte // nil: a hole
	zeroes  []byte   // a part that is a hole
	hole    []byte   // the same, compressed
}

func newCompressor(w io.Writer, o Options) *compressor {
	c := &compressor{w: w, threads: o.Threads, format: newFormat(o.Compression), parts: make([][]byte, 1)}
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

// batch is the number of parts per thread that are collected: with one, all threads would wait for the slowest part.
const batch = 2

// next starts another part.
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

// flush compresses the collected parts and writes them in order.
func (c *compressor) flush() error {
	if c.hole == nil {
		var err error
		c.zeroes = make([]byte, partSize)
		if c.hole, err = c.format.encode(c.zeroes); err != nil {
			return err
		}
	}
	encoded := make([][]byte, len(c.parts))
	var group errgroup.Group
	group.SetLimit(c.threads)
	for i, part := range c.parts {
		if part == nil {
			c.parts[i], encoded[i] = c.zeroes, c.hole
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
	for i, e := range encoded {
		if err := c.format.add(c.w, c.parts[i], e); err != nil {
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
