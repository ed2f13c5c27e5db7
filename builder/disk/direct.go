package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
)

// direct is a file that goes straight to the device, where its file system does that: of an image that is written once the
// kernel would make a copy in memory, which takes time of a processor and drives out what is of use there.
type direct struct {
	atomicfile.Writeback // elsewhere
	straight             bool
}

func newDirect(f *os.File) *direct {
	d := &direct{Writeback: atomicfile.Writeback{File: f}}
	d.straight = d.setStraight(unix.O_DIRECT) == nil
	return d
}

func (d *direct) setStraight(flag int) error {
	flags, err := unix.FcntlInt(d.Fd(), unix.F_GETFL, 0)
	if err == nil {
		_, err = unix.FcntlInt(d.Fd(), unix.F_SETFL, flags&^unix.O_DIRECT|flag)
	}
	return err
}

// WriteAt implements io.WriterAt. Whole blocks out of memory that begins with a page go straight to the device. The first
// that the file system does not take so ends that.
func (d *direct) WriteAt(b []byte, offset int64) (n int, err error) {
	if d.straight {
		n, err = d.File.WriteAt(b, offset)
		if !errors.Is(err, unix.EINVAL) {
			return n, err
		}
		d.straight = false
		if err := d.setStraight(0); err != nil {
			return n, err
		}
	}
	rest, err := d.Writeback.WriteAt(b[n:], offset+int64(n))
	return n + rest, err
}
