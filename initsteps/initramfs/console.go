package initramfs

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Console writes lines to /dev/console, and to the kernel's log for the journal.
type Console struct {
	kmsg *os.File
}

// openConsole makes /dev/console the standard input, output and error of this process and of the init that follows:
// the kernel could not where the initramfs has no such device.
func openConsole() (*Console, error) {
	f, err := os.OpenFile("/dev/console", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return &Console{}, err
	}
	for fd := range 3 {
		if err := unix.Dup3(int(f.Fd()), fd, 0); err != nil && err != unix.EINVAL { // EINVAL: it is this one already
			return &Console{}, fmt.Errorf("dup console to %d: %w", fd, err)
		}
	}
	kmsg, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	return &Console{kmsg: kmsg}, err
}

// Print writes a line. Nothing can be done where that fails.
func (c *Console) Print(line string) {
	line = "pkinit: " + strings.ReplaceAll(line, "\n", "; ")
	fmt.Fprintln(os.Stderr, line)
	if c.kmsg != nil {
		fmt.Fprintf(c.kmsg, "<15>%s\n", line) // facility user, level debug: not a second time on the console
	}
}
