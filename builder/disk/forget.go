package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// Forget has the kernel give back the memory in which it keeps an image that is about to be replaced; the file stays as it
// is. Otherwise the rename that replaces it does so, at the very end, while nothing else is left to do. It is a hint,
// without errors.
func Forget(name string) {
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
		return
	}
	f, err := os.Open(name)
	if err != nil {
		return
	}
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	_ = f.Close() // it was only read
}
