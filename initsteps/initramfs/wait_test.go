package initramfs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRootWait(t *testing.T) {
	w := newRootWait()
	var reports []time.Duration
	for waited := time.Duration(0); ; waited += pollInterval {
		report, stop := w.after(waited)
		if report {
			reports = append(reports, waited)
		}
		if stop {
			require.Equal(t, rootTimeout, waited)
			break
		}
	}
	require.Equal(t, firstReport, reports[0])
	require.Len(t, reports, 10, "every ten seconds from 30 to 120")
}
