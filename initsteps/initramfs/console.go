package initramfs

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// console writes lines to the standard error, and to the kernel's log, from which the journal gets them.
type console struct {
	kmsg *os.File // nil before it is open
}

// openConsole makes /dev/console the standard input, output and error of this process and of the init that follows. The
// kernel cannot do that itself if the initramfs has no such device.
func openConsole() (console, error) {
	fd, err := unix.Open("/dev/console", unix.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return console{}, fmt.Errorf("open /dev/console: %w", err)
	}
	for _, std := range [...]int{unix.Stdin, unix.Stdout, unix.Stderr} {
		if std != fd {
			err = errors.Join(err, unix.Dup3(fd, std, 0))
		}
	}
	if fd > unix.Stderr {
		err = errors.Join(err, unix.Close(fd))
	}
	// Otherwise the kernel drops lines that come fast. The command line may forbid the change, which is no error.
	_ = os.WriteFile("/proc/sys/kernel/printk_devkmsg", []byte("on"), 0)
	kmsg, kmsgErr := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	return console{kmsg: kmsg}, errors.Join(err, kmsgErr)
}

// print writes a line and ignores errors.
func (c console) print(line string) {
	line = "pkinit: " + strings.ReplaceAll(line, "\n", "; ")
	fmt.Fprintln(os.Stderr, line)
	if c.kmsg != nil {
		fmt.Fprintf(c.kmsg, "<15>%s\n", line) // facility user, level debug: not a second time on the console
	}
}
