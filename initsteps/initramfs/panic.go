package initramfs

import (
	"os"
	"strings"
)

// panicTimeout is the kernel's setting of the seconds from a panic to a reboot; 0 means never. The end of process 1 is
// a panic.
const panicTimeout = "/proc/sys/kernel/panic"

// rebootOnPanic has the kernel reboot 10 s after a panic where it would halt for ever. It stays in force for systemd:
// a stage whose systemd cannot start counts as an attempt without a person at the plug.
func rebootOnPanic(file string) error {
	seconds, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(seconds)) != "0" {
		return nil
	}
	return os.WriteFile(file, []byte("10"), 0)
}
