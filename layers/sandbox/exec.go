package sandbox

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// tailLines is the number of output lines in the error of a failed command.
const tailLines = 25

// Exec runs a command and calls each, if it is not nil, with every line of its output that is not empty. If the command
// fails, the error has the last lines. Standard output that is redirected already is not read. The command is killed when
// the context is done, whose cause is then the error, or when this process ends.
func Exec(ctx context.Context, cmd *exec.Cmd, each func(line string)) error {
	return execute(ctx, cmd, each, func(int) {})
}

// execute is Exec that calls started with the process ID.
func execute(ctx context.Context, cmd *exec.Cmd, each func(line string), started func(pid int)) error {
	r, w := io.Pipe()
	cmd.Stderr = w
	if cmd.Stdout == nil {
		cmd.Stdout = w
	}
	cmd.WaitDelay = 10 * time.Second
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	tail := make(chan []string)
	go func() { tail <- lines(r, each) }()
	// The kernel sends the signal when the thread ends that started the command.
	runtime.LockOSThread()
	err := cmd.Start()
	if err == nil {
		started(cmd.Process.Pid)
		err = cmd.Wait()
	}
	runtime.UnlockOSThread()
	_ = w.Close()
	last := <-tail
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	default:
		return fmt.Errorf("%w\n%s", err, strings.Join(last, "\n"))
	}
}

// lines calls each with every line and returns the last ones.
func lines(r io.Reader, each func(line string)) (last []string) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			if each != nil {
				each(line)
			}
			if last = append(last, line); len(last) > tailLines {
				last = last[1:]
			}
		}
		if err != nil {
			return last
		}
	}
}
