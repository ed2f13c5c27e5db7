package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
)

// direct writes a file with O_DIRECT where its file system supports it. An image is written once: a copy of it in the page
// cache would cost processor time and evict more useful pages.
type direct struct {
	atomicfile.Writeback // without O_DIRECT
	enabled              bool
}

func newDirect(f *os.File) *direct {
	d := &direct{Writeback: atomicfile.Writeback{File: f}}
	d.enabled = d.setFlag(unix.O_DIRECT) == nil
	return d
}

// setFlag sets O_DIRECT, or clears it if flag is 0.
func (d *direct) setFlag(flag int) error {
	flags, err := unix.FcntlInt(d.Fd(), unix.F_GETFL, 0)
	if err == nil {
		_, err = unix.FcntlInt(d.Fd(), unix.F_SETFL, flags&^unix.O_DIRECT|flag)
	}
	return err
}

// WriteAt implements io.WriterAt. Whole blocks from page-aligned memory bypass the page cache. The first write that the
// file system rejects as unaligned disables O_DIRECT.
func (d *direct) WriteAt(b []byte, offset int64) (n int, err error) {
	if d.enabled {
		n, err = d.File.WriteAt(b, offset)
		if !errors.Is(err, unix.EINVAL) {
			return n, err
		}
		d.enabled = false
		if err := d.setFlag(0); err != nil {
			return n, err
		}
	}
	rest, err := d.Writeback.WriteAt(b[n:], offset+int64(n))
	return n + rest, err
}
