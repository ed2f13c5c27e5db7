package sandbox

import (
	"context"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// guardInterval is the time between two looks at the disk.
const guardInterval = 50 * time.Millisecond

// reserved returns how many bytes of a disk commands leave free: a twentieth of it, but 1 GiB at most. A disk that has
// less than twice that is guarded no more than it is already.
func reserved(size, free uint64) uint64 {
	return min(size/20, 1<<30, free/2)
}

// guardDisk ends a sandbox, by cancel, before its files fill the disk that a directory lies on. It works until stop is
// called.
func guardDisk(dir string, cancel context.CancelCauseFunc) (stop func()) {
	size, free, err := space(dir)
	if err != nil {
		return func() {}
	}
	reserve := reserved(size, free)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(guardInterval):
			}
			if _, free, err := space(dir); err == nil && free < reserve {
				cancel(fmt.Errorf("the scripts were stopped before they filled the disk: %s of %s are free in %s",
					humanize.IBytes(free), humanize.IBytes(size), dir))
				return
			}
		}
	}()
	return func() { close(done) }
}

// space returns the size of the file system of a directory, and what of it is free for users, in bytes.
func space(dir string) (size, free uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	return s.Blocks * uint64(s.Bsize), s.Bavail * uint64(s.Bsize), nil
}
