package qemu

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// stopwatch measures the time that a process had the chance to use: the time for which its threads waited for one of the
// host's processors does not count, so that limits hold on a host with too much to do.
type stopwatch struct {
	pid   int
	start time.Time
	base  time.Duration // wait before the start

	mu   sync.Mutex
	lost time.Duration // largest wait that was seen; a process that has ended has none
}

func newStopwatch(pid int) *stopwatch {
	return &stopwatch{pid: pid, start: time.Now(), base: waited("/proc", pid)}
}

// elapsed returns the time since the start, which is more than 0.
func (s *stopwatch) elapsed() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = max(s.lost, waited("/proc", s.pid)-s.base)
	return max(1, time.Since(s.start)-s.lost)
}

// waited returns how long the thread of a process that waited longest has been runnable and did not run, according to
// proc_pid_schedstat(5); 0 where the kernel does not say.
func waited(proc string, pid int) time.Duration {
	files, _ := filepath.Glob(filepath.Join(proc, fmt.Sprint(pid), "task", "*", "schedstat"))
	longest := time.Duration(0)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		var ran, wait int64
		if _, err := fmt.Sscan(string(data), &ran, &wait); err == nil {
			longest = max(longest, time.Duration(wait))
		}
	}
	return longest
}
