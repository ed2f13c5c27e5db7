// Package measure measures the resource usage of processes for benchmarks, and summarizes several runs. It prints nothing.
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

// Run is what one run of a command cost: wall-clock time, CPU time, and peak memory in bytes.
type Run struct {
	Wall, CPU time.Duration
	Memory    int64 // peak of one process, in bytes
}

// With returns the sum of the CPU times and the larger memory peak of two processes that ran at the same time, with r's
// wall-clock time.
func (r Run) With(other Run) Run {
	return Run{r.Wall, r.CPU + other.CPU, max(r.Memory, other.Memory)}
}

// Command runs a command to its end and returns its wall-clock time, CPU time and peak memory. If it fails, the error
// contains its output.
func Command(ctx context.Context, args ...string) (Run, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return Run{}, fmt.Errorf("run %s: %w: %s", strings.Join(args, " "), err, out)
	}
	r := Used(cmd)
	r.Wall = time.Since(start)
	return r, nil
}

// Used returns the CPU time and peak memory of an ended process and its children. The wall-clock time is left at zero.
func Used(cmd *exec.Cmd) Run {
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return Run{}
	}
	return Run{CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), Memory: usage.Maxrss << 10}
}

// SyncFS writes all unwritten data of the file system that holds a directory to its device, as syncfs(2).
func SyncFS(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}

// Least returns, for each figure separately, the minimum over the runs, of which there must be at least one.
func Least(runs []Run) Run { return pick(runs, func(int) int { return 0 }) }

// Middle returns, for each figure separately, the median over the runs, of which there must be at least one; for an even
// number of runs it is the larger of the two in the middle.
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
