package device

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// synchronized is the file of systemd-timesyncd that exists once a time server has set the clock.
const synchronized = "run/systemd/timesync/synchronized"

// ExplainClock adds to an error about the validity of a certificate what the clock says, since a device without a battery
// starts with a wrong time. It returns other errors unchanged.
func (d Device) ExplainClock(err error, now time.Time) error {
	invalid := x509.CertificateInvalidError{}
	expired := errors.As(err, &invalid) && invalid.Reason == x509.Expired
	if err == nil || !expired && !strings.Contains(err.Error(), "expired or is not yet valid") { // Docker's errors are text
		return err
	}
	set := "which no time server has set since the start: connect the device to the internet, or set it with timedatectl set-time"
	if _, stat := os.Stat(filepath.Join("/", d.Root, synchronized)); stat == nil {
		set = "which a time server has set"
	}
	return fmt.Errorf("%w (the clock of this device says %s, %s)", err, now.UTC().Format("2006-01-02 15:04 MST"), set)
}
