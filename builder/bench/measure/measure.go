// Package measure is what programs that compare programs have in common: what a process took, and what counts of
// several turns. It prints nothing, and does not say which figure is a good one.
package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Run is what one turn took.
type Run struct {
	Wall, CPU time.Duration
	Memory    int64 // bytes at most, of one process
}

// With adds what another process took meanwhile; the wall clock stays.
func (r Run) With(other Run) Run {
	return Run{r.Wall, r.CPU + other.CPU, max(r.Memory, other.Memory)}
}

// Command runs a command. Its output is part of the error.
func Command(ctx context.Context, args ...string) (Run, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return Run{}, fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
	}
	r := Used(cmd)
	r.Wall = time.Since(start)
	return r, nil
}

// Used is what a process that has ended took, with those that it started and waited for; not the wall clock.
func Used(cmd *exec.Cmd) Run {
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return Run{}
	}
	return Run{CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), Memory: usage.Maxrss << 10}
}

// SyncFS waits until a file system has what was written to it.
func SyncFS(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}

// Least is the least of each figure of several turns, of which there is at least one.
func Least(runs []Run) Run { return pick(runs, func(int) int { return 0 }) }

// Middle is the median of each figure.
func Middle(runs []Run) Run { return pick(runs, func(n int) int { return n / 2 }) }

func pick(runs []Run, which func(n int) int) Run {
	of := func(key func(Run) int64) int64 {
		var all []int64
		for _, r := range runs {
			all = append(all, key(r))
		}
		slices.Sort(all)
		return all[which(len(all))]
	}
	return Run{
		Wall:   time.Duration(of(func(r Run) int64 { return int64(r.Wall) })),
		CPU:    time.Duration(of(func(r Run) int64 { return int64(r.CPU) })),
		Memory: of(func(r Run) int64 { return r.Memory }),
	}
}
