package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// usage is what a program used.
type usage struct {
	wall, cpu float64 // seconds
	memory    int64   // largest resident set in bytes
}

// measure runs a command on some cores, which are listed as for taskset. Its output is discarded.
func measure(ctx context.Context, cores string, command []string) (usage, error) {
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", cores}, command...)...)
	cmd.Stderr = os.Stderr
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		return usage{}, fmt.Errorf("%v: %w", command, err)
	}
	u := usage{wall: time.Since(begun).Seconds(), cpu: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.memory = r.Maxrss << 10
	}
	return u, nil
}
