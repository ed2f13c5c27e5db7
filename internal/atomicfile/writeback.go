package atomicfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// Writeback is a file that the kernel brings to the device while it is written, front to back. Otherwise it would begin when
// it is asked to have done so, and who asks would wait for all of it. It syncs nothing.
type Writeback struct {
	*os.File
	begun int64 // up to where the kernel was told to begin
}

// ahead is how many bytes are written before the kernel is told.
const ahead = 32 << 20

// WriteAt implements io.WriterAt.
func (f *Writeback) WriteAt(b []byte, offset int64) (int, error) {
	n, err := f.File.WriteAt(b, offset)
	end := offset + int64(n)
	if end < f.begun {
		f.begun = 0 // it was begun anew
	}
	if err == nil && end-f.begun >= ahead {
		_ = unix.SyncFileRange(int(f.Fd()), f.begun, end-f.begun, unix.SYNC_FILE_RANGE_WRITE) // a hint
		f.begun = end
	}
	return n, err
}
