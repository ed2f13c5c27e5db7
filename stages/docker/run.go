// Package docker runs Docker's command line on a device: it lists, pulls, removes, saves and loads images.
//
// It knows nothing of stages and does not read Docker's store. https://docs.docker.com/reference/cli/docker/
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
	"sync/atomic"
	"syscall"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/waiting"
)

// Client talks to the Docker daemon by running the docker command from the PATH. $DOCKER_HOST selects the daemon.
type Client struct {
	QueryLimit time.Duration // how long the daemon may take to answer a question; 0: two minutes
}

// ErrUnavailable is returned where Docker is not installed, its daemon does not run, or the user may not connect to it.
var ErrUnavailable = errors.New("cannot reach the Docker daemon")

// killAfter is how long the program may take to end after SIGTERM.
const killAfter = 10 * time.Second

// maxStderr is how much of the end of stderr an error has, in bytes.
const maxStderr = 2 << 10

// Run runs the docker command with arguments and returns its stdout as printed. The error has the command line and the end
// of stderr, or is ErrUnavailable.
func (c Client) Run(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	err := c.stream(ctx, nil, &out, args...)
	return out.String(), err
}

// RunWithInput runs a docker command with in as its standard input, and discards its stdout. The error has the command line
// and the end of stderr, or is ErrUnavailable.
func (c Client) RunWithInput(ctx context.Context, in io.Reader, args ...string) error {
	return c.stream(ctx, in, io.Discard, args...)
}

// stream runs docker with its input from a reader, which may be nil, and its output to a writer. The environment is fixed, so
// that compose files mean the same on every device, and the working directory is /, which has no compose file.
func (Client) stream(ctx context.Context, in io.Reader, out io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmp.Or(os.Getenv("HOME"), "/root"), "COMPOSE_ANSI=never"}
	for _, name := range []string{"DOCKER_HOST", "DOCKER_CONFIG"} {
		if value := os.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	stderr := &tail{}
	counted := &counter{to: out}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, counted, stderr
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, killAfter
	ctx, stop := waiting.Watch(ctx, describe(args), 0, counted.n.Load)
	defer stop()
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("docker %s: %w", strings.Join(args, " "), context.Cause(ctx))
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case isUnreachable(stderr.String()):
		return fmt.Errorf("%w: %s", ErrUnavailable, stderr)
	}
	err = fmt.Errorf("docker %s: %w", strings.Join(args, " "), err)
	if stderr.String() == "" {
		return err
	}
	return fmt.Errorf("%s: %w", stderr, err) // stderr first, since the command line may be cut off
}

// describe returns the beginning of a command line, for messages.
func describe(args []string) string {
	text := "docker " + strings.Join(args, " ")
	if len(text) > 80 {
		text = strings.ToValidUTF8(text[:80], "") + "…"
	}
	return text
}

// counter counts the bytes that pass through it.
type counter struct {
	to io.Writer
	n  atomic.Int64
}

func (c *counter) Write(data []byte) (int, error) {
	n, err := c.to.Write(data)
	c.n.Add(int64(n))
	return n, err
}

// isUnreachable reports whether docker printed that it cannot connect to the daemon.
func isUnreachable(stderr string) bool {
	return strings.Contains(stderr, "Cannot connect to the Docker daemon") || strings.Contains(stderr, "Is the docker daemon running") ||
		strings.Contains(stderr, "permission denied while trying to connect")
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

func (t *tail) Write(data []byte) (int, error) {
	t.text = append(t.text, data...)
	if len(t.text) > 2*maxStderr {
		t.text = append(t.text[:0], t.text[len(t.text)-maxStderr:]...)
	}
	return len(data), nil
}

func (t *tail) String() string {
	text := strings.TrimSpace(string(t.text))
	if len(text) > maxStderr {
		text = "…" + strings.ToValidUTF8(text[len(text)-maxStderr:], "")
	}
	return text
}
