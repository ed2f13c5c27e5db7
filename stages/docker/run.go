// Package docker is Docker on a device, by way of its command line: which images there are, and pulling, removing, saving
// and loading them.
//
// It knows nothing of stages, and nothing of Docker's store: what only the daemon may know, the daemon is asked.
// https://docs.docker.com/reference/cli/docker/
package docker

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Client runs the program docker. The zero value finds it on the PATH, and the daemon as the environment says.
type Client struct{}

// ErrNone says that there is no Docker to ask: it is not installed, or its daemon does not run.
var ErrNone = errors.New("docker cannot be asked")

// killAfter is how long the program may take to end once it is told to.
const killAfter = 10 * time.Second

// tail is how much of what the program says is kept of a failure, in bytes: the end tells what went wrong.
const tail = 2 << 10

// Run runs docker and returns what it prints. The error has the end of what it says and the command line.
func (c Client) Run(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	err := c.stream(ctx, nil, &out, args...)
	return out.String(), err
}

// stream runs docker between a reader, which may be nil, and a writer. It runs in an environment of its own, since
// compose files mean the same on every device, and in the root directory, where no compose file lies by chance.
func (Client) stream(ctx context.Context, in io.Reader, out io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmp.Or(os.Getenv("HOME"), "/root"), "COMPOSE_ANSI=never"}
	for _, name := range []string{"DOCKER_HOST", "DOCKER_CONFIG"} {
		if value := os.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	said := &end{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, said
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, killAfter
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("docker %s: %w", strings.Join(args, " "), context.Cause(ctx))
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%w: %w", ErrNone, err)
	case unreachable(said.String()):
		return fmt.Errorf("%w: %s", ErrNone, said)
	}
	err = fmt.Errorf("docker %s: %w", strings.Join(args, " "), err)
	if said.String() == "" {
		return err
	}
	return fmt.Errorf("%s: %w", said, err) // what it says first: whoever shortens this loses the command line
}

// unreachable tells whether docker says that it finds no daemon, or may not speak to it.
func unreachable(said string) bool {
	return strings.Contains(said, "Cannot connect to the Docker daemon") || strings.Contains(said, "Is the docker daemon running") ||
		strings.Contains(said, "permission denied while trying to connect")
}

// end keeps the end of what is written to it.
type end struct{ text []byte }

func (e *end) Write(data []byte) (int, error) {
	e.text = append(e.text, data...)
	if len(e.text) > 2*tail {
		e.text = append(e.text[:0], e.text[len(e.text)-tail:]...)
	}
	return len(data), nil
}

func (e *end) String() string {
	text := strings.TrimSpace(string(e.text))
	if len(text) > tail {
		text = "…" + strings.ToValidUTF8(text[len(text)-tail:], "")
	}
	return text
}
