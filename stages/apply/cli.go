package apply

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/stages/docker"
)

// CLI implements Docker by running the programs docker and docker compose.
type CLI struct {
	Client docker.Client
}

// killAfter is the time that a program gets to end after SIGTERM.
const killAfter = 10 * time.Second

// tail is how much of the end of a program's output is kept, in bytes.
const tail = 2 << 10

// format makes docker print a container per line, with the fields of Container.
const format = `{"name":{{json .Names}},"state":{{json .State}},"status":{{json .Status}},` +
	`"project":{{json (.Label "com.docker.compose.project")}},"dir":{{json (.Label "com.docker.compose.project.working_dir")}}}`

// Containers returns the containers of all Compose apps, running or not. Without the program docker the error is
// exec.ErrNotFound.
func (c CLI) Containers(ctx context.Context) ([]Container, error) {
	out, err := c.Client.Run(ctx, "ps", "--all", "--no-trunc", "--filter", "label=com.docker.compose.project", "--format", format)
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
			return nil, fmt.Errorf("list containers: parse the output of docker ps: %w", err)
		}
		all = append(all, one)
	}
}

// HasImage reports whether an image, by its name or ID, is in Docker's store. It fails if Docker cannot be asked.
func (c CLI) HasImage(ctx context.Context, name string) (bool, error) {
	_, err := c.Client.Image(ctx, name)
	if errors.Is(err, docker.ErrNoImage) {
		return false, nil
	}
	return err == nil, err
}

// Up starts an app with docker compose up, and waits until its containers run and those with a health check are
// healthy. It fails if a container does not get there, or an image is missing: it pulls none.
func (c CLI) Up(ctx context.Context, app App) error {
	override, err := app.Override()
	if err != nil {
		return err
	}
	return c.Client.RunWithInput(ctx, bytes.NewReader(override), append(app.Compose(),
		"up", "--detach", "--no-build", "--pull", "never", "--remove-orphans", "--wait")...)
}

// Remove removes the containers and networks of the app with a project name, and its volumes if asked. Nothing to
// remove is no error. Compose does not find the volumes of an app without containers, so Remove also looks for them
// with docker.
func (c CLI) Remove(ctx context.Context, project string, volumes bool) error {
	args := []string{"compose", "--progress", "quiet", "--project-name", project, "down", "--remove-orphans"}
	if !volumes {
		_, err := c.Client.Run(ctx, args...)
		return err
	}
	if _, err := c.Client.Run(ctx, append(args, "--volumes")...); err != nil {
		return err
	}
	out, err := c.Client.Run(ctx, "volume", "ls", "--quiet", "--filter", "label=com.docker.compose.project="+project)
	if err != nil || strings.TrimSpace(out) == "" {
		return err
	}
	_, err = c.Client.Run(ctx, append([]string{"volume", "rm", "--"}, strings.Fields(out)...)...)
	return err
}

// RemoveAll removes all of Docker's containers and volumes, the user's own included. It does nothing if the docker program
// is not installed.
func (c CLI) RemoveAll(ctx context.Context) error {
	for _, kind := range []struct{ list, remove []string }{
		{[]string{"ps", "--all", "--quiet", "--no-trunc"}, []string{"rm", "--force", "--volumes", "--"}},
		{[]string{"volume", "ls", "--quiet"}, []string{"volume", "rm", "--force", "--"}},
	} {
		out, err := c.Client.Run(ctx, kind.list...)
		if errors.Is(err, exec.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		names := strings.Fields(out)
		if len(names) == 0 {
			continue
		}
		if _, err := c.Client.Run(ctx, append(kind.remove, names...)...); err != nil {
			return err
		}
	}
	return nil
}

// last returns the end of a text.
func last(text string) string {
	text = strings.TrimSpace(text)
	if len(text) > tail {
		text = "…" + strings.ToValidUTF8(text[len(text)-tail:], "")
	}
	return text
}
