package apply

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// CLI is Docker by way of its command line, with Compose as its plugin.
type CLI struct {
	Pull bool // pull images that are missing
}

// killAfter is how long a program may take to end once it is told to.
const killAfter = 10 * time.Second

// tail is how much of what a program says is kept, in bytes: the end tells what went wrong.
const tail = 2 << 10

// format has of each container what Container has, one a line.
const format = `{"name":{{json .Names}},"state":{{json .State}},"status":{{json .Status}},` +
	`"project":{{json (.Label "com.docker.compose.project")}},"dir":{{json (.Label "com.docker.compose.project.working_dir")}}}`

// Containers implements Docker.
func (c CLI) Containers(ctx context.Context) ([]Container, error) {
	out, err := c.run(ctx, "ps", "--all", "--no-trunc", "--filter", "label=com.docker.compose.project", "--format", format)
	if err != nil {
		return nil, err
	}
	var all []Container
	lines := json.NewDecoder(strings.NewReader(out))
	for {
		var one Container
		err := lines.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list containers: what docker ps says: %w", err)
		}
		all = append(all, one)
	}
}

// HasImage implements Docker.
func (c CLI) HasImage(ctx context.Context, name string) (bool, error) {
	if c.Pull {
		return true, nil // Up sees to it
	}
	_, err := c.run(ctx, "image", "inspect", "--format", "{{.Id}}", "--", name)
	if err != nil && strings.Contains(err.Error(), "No such image") {
		return false, nil
	}
	return err == nil, err
}

// Up implements Docker.
func (c CLI) Up(ctx context.Context, app App) error {
	pull := "never"
	if c.Pull {
		pull = "missing"
	}
	args := []string{"compose", "--project-name", app.Project, "--project-directory", app.Dir, "--env-file", os.DevNull}
	for _, f := range app.Files {
		args = append(args, "--file", f)
	}
	_, err := c.run(ctx, append(args, "up", "--detach", "--no-build", "--pull", pull, "--remove-orphans", "--wait")...)
	return err
}

// Remove implements Docker. Compose finds no volumes of an app that has no containers left: Docker does.
func (c CLI) Remove(ctx context.Context, project string, volumes bool) error {
	args := []string{"compose", "--project-name", project, "down", "--remove-orphans"}
	if !volumes {
		_, err := c.run(ctx, args...)
		return err
	}
	if _, err := c.run(ctx, append(args, "--volumes")...); err != nil {
		return err
	}
	out, err := c.run(ctx, "volume", "ls", "--quiet", "--filter", "label=com.docker.compose.project="+project)
	if err != nil || strings.TrimSpace(out) == "" {
		return err
	}
	_, err = c.run(ctx, append([]string{"volume", "rm", "--"}, strings.Fields(out)...)...)
	return err
}

// run runs docker and returns what it prints. It has an environment of its own, since compose files mean the same on
// every device, and the root as its directory, where no compose file lies by chance.
func (c CLI) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmp.Or(os.Getenv("HOME"), "/root"), "COMPOSE_ANSI=never"}
	for _, name := range []string{"DOCKER_HOST", "DOCKER_CONFIG"} {
		if value := os.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, killAfter
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, last(stderr.String()))
	}
	return stdout.String(), nil
}

// last is the end of a text.
func last(text string) string {
	text = strings.TrimSpace(text)
	if len(text) > tail {
		text = "…" + strings.ToValidUTF8(text[len(text)-tail:], "")
	}
	return text
}
