package initramfs

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// setClock sets the clock to a time that has certainly passed, if it is behind that, and reports whether it was. A
// Raspberry Pi without a battery starts in 1970.
func setClock(proof time.Time, now func() time.Time, set func(time.Time) error) (bool, error) {
	if !now().Before(proof) {
		return false, nil
	}
	if err := set(proof); err != nil {
		return false, fmt.Errorf("set the clock to %s: %w", proof.UTC().Format(time.RFC3339), err)
	}
	return true, nil
}

// settimeofday sets the kernel's clock.
func settimeofday(t time.Time) error {
	tv := unix.NsecToTimeval(t.UnixNano())
	return unix.Settimeofday(&tv)
}
