package disk

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/output"
)

// Options are the compression of a disk image, the number of threads for it, and a progress callback. The uncompressed
// content does not depend on them.
type Options struct {
	Compression Compression
	Threads     int                     // of the compression; 0: one per processor
	Progress    func(done, total int64) // in bytes; may be nil
}

// Result is the size, the number of written bytes and the SHA-256 of a disk image that was written.
type Result struct {
	Size   int64  // in bytes
	Mapped int64  // bytes that are not holes
	SHA256 string // of the uncompressed disk, in hexadecimal
}

// Create writes the disk image to a destination as package output resolves it: a file or a stream. Beside a file it writes
// the block map (BlockMapName) and the checksum in the format of sha256sum (NAME.sha256), in the same pass. The three files
// get their names when all are complete and synced; after an error the old ones stay.
func (d *Disk) Create(ctx context.Context, name string, o Options) (Result, error) {
	to, err := output.Resolve(name)
	if err != nil {
		return Result{}, err
	}
	if to.IsStream() {
		return d.createStream(ctx, to, o)
	}
	return d.createFiles(ctx, to.File, o)
}

func (d *Disk) createFiles(ctx context.Context, name string, o Options) (r Result, err error) {
	out := &outputs{}
	defer func() { err = errors.Join(err, out.close()) }()
	image := out.create(ctx, name)
	bmap := out.create(ctx, BlockMapName(name))
	sums := out.create(ctx, name+".sha256")
	if out.err != nil {
		return r, out.err
	}
	free, err := d.checkSpace(filepath.Dir(name), o)
	if err != nil {
		return r, err
	}
	s := newSinks(o, image, func() sink { return &sparseFile{newDirect(image)} })
	if err := d.writeTo(ctx, s, o); err != nil {
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			err = fmt.Errorf("%w: the image needs up to %s, and the output's file system had %s free at the start", err, size(d.Mapped()), size(free))
		}
		return r, err
	}
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
	return d.result(s), out.commit()
}

func (d *Disk) createStream(ctx context.Context, to output.Destination, o Options) (r Result, err error) {
	f, err := to.Open(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	s := newSinks(o, f, func() sink { return &zeroFilled{Writer: f} })
	if err := d.writeTo(ctx, s, o); err != nil {
		return r, err
	}
	return d.result(s), nil
}

func (d *Disk) result(s *sinks) Result {
	return Result{Size: d.Size(), Mapped: s.bmap.bytes(), SHA256: hex.EncodeToString(s.disk.Sum(nil))}
}

func size(n int64) string { return humanize.IBytes(uint64(n)) }

// checkSpace returns the free space of a directory, and fails if an uncompressed image does not fit.
func (d *Disk) checkSpace(dir string, o Options) (free int64, err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("get the free space of %s: %w", dir, err)
	}
	free = int64(fs.Bavail) * fs.Bsize
	if os.Geteuid() == 0 {
		free = int64(fs.Bfree) * fs.Bsize
	}
	if o.Compression == None && d.Mapped() > free {
		return free, fmt.Errorf("the image needs %s, and %s has %s free: make room, or write it elsewhere",
			size(d.Mapped()), dir, size(free))
	}
	return free, nil
}

// sinks are the receivers of the disk.
type sinks struct {
	disk *sum // of the disk
	file *sum // of the image: the same unless it is compressed
	bmap *blockMap
	all  []sink
}

// newSinks returns sinks that write the image, compressed to w or else to a raw sink.
func newSinks(o Options, w io.Writer, raw func() sink) *sinks {
	s := &sinks{disk: newSum(), bmap: &blockMap{}}
	s.all = []sink{s.disk, s.bmap}
	if o.Compression == None {
		s.file = s.disk
		s.all = append(s.all, raw())
		return s
	}
	s.file = newSum()
	s.all = append(s.all, newCompressor(io.MultiWriter(w, s.file), o))
	return s
}

// writeTo writes the disk to sinks.
func (d *Disk) writeTo(ctx context.Context, s *sinks, o Options) error {
	t := newTee(s.all...)
	whole := d.Size()
	err := d.Write(ctx, &counter{WriterAt: t, total: d.Mapped(), report: o.Progress})
	if err != nil {
		whole = incomplete
	}
	if failed := t.close(whole); failed != nil && (err == nil || ctx.Err() == nil) {
		return failed // of which err is a consequence
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
