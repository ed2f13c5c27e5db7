package initramfs

import (
	"os"
	"strings"
)

// panicTimeout is how many seconds after its panic the kernel reboots; 0 means never. The end of process 1 is a panic.
const panicTimeout = "/proc/sys/kernel/panic"

// rebootOnPanic has the kernel reboot soon where it would stand still for ever, and returns what takes that back: it
// is for the real init to say how that should be.
func rebootOnPanic(file string) (restore func() error, err error) {
	nothing := func() error { return nil }
	was, err := os.ReadFile(file)
	if err != nil {
		return nothing, err
	}
	if strings.TrimSpace(string(was)) != "0" {
		return nothing, nil
	}
	if err := os.WriteFile(file, []byte("10"), 0); err != nil {
		return nothing, err
	}
	return func() error { return os.WriteFile(file, was, 0) }, nil
}
