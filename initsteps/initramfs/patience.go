package initramfs

import "time"

// Times of waiting for the root file system.
const (
	poll   = 50 * time.Millisecond
	calm   = 30 * time.Second  // until it says what is missing
	nag    = 10 * time.Second  // until it says so again
	giveUp = 120 * time.Second // until it reboots
)

// patience decides when a wait is worth a word, and when it is over.
type patience struct {
	next time.Duration // when the next word is due
}

func newPatience() *patience { return &patience{next: calm} }

// after is asked again and again with the time waited so far.
func (p *patience) after(waited time.Duration) (complain, over bool) {
	if waited < p.next {
		return false, false
	}
	p.next = waited + nag
	return true, waited >= giveUp
}
