package debian

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// tailLines is how much of a failed command's output its error quotes.
const tailLines = 25

// run runs a command, which an error calls by the name given here, hands every line of its output to each, and quotes
// the last ones where it fails. The command dies with this process.
func run(name string, cmd *exec.Cmd, each func(line string)) error {
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	cmd.WaitDelay = 10 * time.Second
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	tail := make(chan []string)
	go func() { tail <- lines(r, each) }()
	// The kernel sends the signal when the thread ends that started the command.
	runtime.LockOSThread()
	err := cmd.Run()
	runtime.UnlockOSThread()
	_ = w.Close()
	last := <-tail
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, strings.Join(last, "\n"))
	}
	return nil
}

// lines hands over every line and returns the last ones.
func lines(r io.Reader, each func(line string)) (last []string) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			each(line)
			if last = append(last, line); len(last) > tailLines {
				last = last[1:]
			}
		}
		if err != nil {
			return last
		}
	}
}
