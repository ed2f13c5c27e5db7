package atomicfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// Writeback is a file that is written front to back, and whose writeback to the device the kernel starts early, so that
// the final fsync is short. It syncs nothing itself.
type Writeback struct {
	*os.File
	started int64 // offset up to which writeback was started
}

// writebackWindow is the number of bytes after which writeback is started.
const writebackWindow = 32 << 20

// WriteAt implements io.WriterAt.
func (f *Writeback) WriteAt(b []byte, offset int64) (int, error) {
	n, err := f.File.WriteAt(b, offset)
	end := offset + int64(n)
	if end < f.started {
		f.started = 0 // the file is written again from its beginning
	}
	if err == nil && end-f.started >= writebackWindow {
		_ = unix.SyncFileRange(int(f.Fd()), f.started, end-f.started, unix.SYNC_FILE_RANGE_WRITE) // a hint
		f.started = end
	}
	return n, err
}
