package disk

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// Options are how the image of a disk is stored. None of them changes a byte of the disk.
type Options struct {
	Compression Compression
	Threads     int                     // that compress; 0: one for each processor
	Progress    func(done, total int64) // in bytes; may be nil
}

// Result is what was written.
type Result struct {
	Size   int64  // of the disk, in bytes
	Mapped int64  // those of them that are not holes
	SHA256 string // of the disk, not compressed, in hexadecimal
}

// Create writes the image of the disk, its block map (NAME.bmap, without the suffix of a compression) and its SHA-256
// in the format of sha256sum (NAME.sha256), all in one pass. They appear under their names when all are complete and
// on the disk; until then, and where there is an error, what had these names stays.
func (d *Disk) Create(ctx context.Context, name string, o Options) (r Result, err error) {
	out := &outputs{}
	defer func() { err = errors.Join(err, out.close()) }()
	image := out.create(ctx, name)
	bmap := out.create(ctx, strings.TrimSuffix(name, o.Compression.Suffix())+".bmap")
	sums := out.create(ctx, name+".sha256")
	if out.err != nil {
		return r, out.err
	}
	room, err := d.checkRoom(filepath.Dir(name), o)
	if err != nil {
		return r, err
	}
	s := newSinks(image, o)
	if err := d.writeTo(ctx, s, o); err != nil {
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			err = fmt.Errorf("%w: the image takes up to %s, %s were free when it was begun", err, size(d.Mapped()), size(room))
		}
		return r, err
	}
	r = Result{Size: d.Size(), Mapped: s.bmap.bytes(), SHA256: hex.EncodeToString(s.disk.Sum(nil))}
	file, err := s.bmap.encode()
	if err != nil {
		return r, err
	}
	if _, err := bmap.Write(file); err != nil {
		return r, err
	}
	if _, err := fmt.Fprintf(sums, "%x  %s\n", s.file.Sum(nil), filepath.Base(name)); err != nil {
		return r, err
	}
	return r, out.commit()
}

func size(n int64) string { return humanize.IBytes(uint64(n)) }

// checkRoom compares what the image takes with what is free. How small a compressed one becomes is not known before.
func (d *Disk) checkRoom(dir string, o Options) (room int64, err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	room = int64(fs.Bavail) * fs.Bsize
	if os.Geteuid() == 0 {
		room = int64(fs.Bfree) * fs.Bsize
	}
	if o.Compression == None && d.Mapped() > room {
		return room, fmt.Errorf("the image takes %s, and %s has %s free: make room, or write it elsewhere",
			size(d.Mapped()), dir, size(room))
	}
	return room, nil
}

// sinks are all that the disk goes to.
type sinks struct {
	disk *sum // of the disk
	file *sum // of the image, the same unless it is compressed
	bmap *blockMap
	all  []sink
}

func newSinks(image *os.File, o Options) *sinks {
	s := &sinks{disk: newSum(), bmap: &blockMap{}}
	s.all = []sink{s.disk, s.bmap}
	if o.Compression == None {
		s.file = s.disk
		s.all = append(s.all, &sparseFile{newDirect(image)})
		return s
	}
	s.file = newSum()
	s.all = append(s.all, newCompressor(summing{image, s.file}, o))
	return s
}

// writeTo writes the disk to its sinks.
func (d *Disk) writeTo(ctx context.Context, s *sinks, o Options) error {
	t := newTee(s.all...)
	whole := d.Size()
	err := d.Write(ctx, &counter{WriterAt: t, total: d.Mapped(), report: o.Progress})
	if err != nil {
		whole = -1
	}
	if broken := t.close(whole); broken != nil {
		return broken // of which err is but a consequence
	}
	return err
}

// counter reports each hundredth of what is written.
type counter struct {
	io.WriterAt
	done, total, reported int64
	report                func(done, total int64)
}

func (c *counter) WriteAt(b []byte, offset int64) (int, error) {
	n, err := c.WriterAt.WriteAt(b, offset)
	c.done += int64(n)
	if c.report != nil && c.done-c.reported >= c.total/100 {
		c.reported = c.done
		c.report(min(c.done, c.total), c.total)
	}
	return n, err
}
