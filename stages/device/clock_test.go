package device_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages/device"
)

// An error about a certificate that is not valid yet names the clock.
func TestExplainClock(t *testing.T) {
	d := device.Device{Root: t.TempDir()}
	now := time.Date(1970, 1, 1, 0, 3, 0, 0, time.UTC)
	const unset = " (the clock of this device says 1970-01-01 00:03 UTC, which no time server has set since the start: connect the device " +
		"to the internet, or set it with timedatectl set-time)"
	expired := x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired, Detail: "x"}
	for _, err := range []error{
		fmt.Errorf("fetch: %w", expired),
		errors.New("docker pull: x509: certificate has expired or is not yet valid: current time 1970-01-01T00:03:00Z is before 2026-01-01"),
	} {
		require.EqualError(t, d.ExplainClock(err, now), err.Error()+unset)
		require.ErrorIs(t, d.ExplainClock(err, now), err)
	}
	put(t, d.Root, map[string]string{"run/systemd/timesync/synchronized": ""})
	require.EqualError(t, d.ExplainClock(expired, now), expired.Error()+" (the clock of this device says 1970-01-01 00:03 UTC, which a time server has set)")
	other := x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.NotAuthorizedToSign}
	require.Equal(t, other, d.ExplainClock(other, now))
	require.NoError(t, d.ExplainClock(nil, now))
}
