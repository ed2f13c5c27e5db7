package initramfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// watchdogDevice is the watchdog that systemd uses by default, too.
const watchdogDevice = "/dev/watchdog0"

// watchdog is a running hardware watchdog: unless it is kept alive it resets the machine. The zero value is none.
type watchdog struct {
	f *os.File
}

// openWatchdog starts the watchdog with a timeout in seconds; the driver's own timeout stays where the driver does not
// take it. It returns the zero value without an error if the timeout is 0 or the machine has no watchdog.
//
// The device is closed by exec without the character that would stop it, so that it runs on until systemd opens it.
// See https://docs.kernel.org/watchdog/watchdog-api.html.
func openWatchdog(name string, timeout int) (watchdog, error) {
	if timeout == 0 {
		return watchdog{}, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return watchdog{}, nil
	}
	if err != nil {
		return watchdog{}, err
	}
	w := watchdog{f}
	if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.WDIOC_SETTIMEOUT, timeout); err != nil {
		return w, errors.Join(fmt.Errorf("set timeout of watchdog %s to %d s: %w", name, timeout, err), w.keepAlive())
	}
	return w, w.keepAlive()
}

// keepAlive starts the timeout anew.
func (w watchdog) keepAlive() error {
	if w.f == nil {
		return nil
	}
	_, err := w.f.Write([]byte{0})
	return err
}
