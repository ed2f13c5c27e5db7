package initramfs

import "time"

// Times of waiting for the root file system.
const (
	pollInterval  = 50 * time.Millisecond
	firstReport   = 30 * time.Second  // until the console says what is missing
	reportAgain   = 10 * time.Second  // until it says so again
	preferredWait = 10 * time.Second  // until a disk is taken that is not of the kind that the firmware started from
	rootTimeout   = 120 * time.Second // until the device reboots
)

// rootWait decides when a wait for the root file system is reported, and when it ends.
type rootWait struct {
	nextReport time.Duration
}

func newRootWait() *rootWait { return &rootWait{nextReport: firstReport} }

// after takes the time waited so far, at each poll, and returns whether to report it and whether to stop waiting.
func (w *rootWait) after(waited time.Duration) (report, stop bool) {
	if waited < w.nextReport {
		return false, false
	}
	w.nextReport = waited + reportAgain
	return true, waited >= rootTimeout
}
