package images

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/download"
	"github.com/PlanktoScope/pkbuild/stages/docker"
)

// Docker is the interface to the Docker daemon that this package uses; docker.Client implements it.
type Docker interface {
	Host(ctx context.Context) (docker.Host, error)
	Image(ctx context.Context, name string) (docker.Image, error)
	Pull(ctx context.Context, name, platform string, output func(line string)) error
	Remove(ctx context.Context, name string) error
	Sync(root string) error
}

// State is the state of the pull of an image: fetching, layers (progress), retrying or fetched.
type State string

// The states.
const (
	Fetching State = "fetching"
	Layers   State = "layers"
	Retrying State = "retrying"
	Fetched  State = "fetched"
)

// Event reports that the pull of an image started, progressed, is repeated, or ended.
type Event struct {
	Image  string `json:"image"`
	Number int    `json:"number"` // of Total, from 1
	Total  int    `json:"total"`
	State  State  `json:"state"`
	Text   string `json:"text,omitempty"` // how many layers are there, or the reason of the retry
}

func (e Event) String() string {
	text := fmt.Sprintf("image %d of %d: %s %s", e.Number, e.Total, e.State, e.Image)
	if e.State == Layers {
		text = fmt.Sprintf("image %d of %d: %s: %s", e.Number, e.Total, e.Image, e.Text)
	} else if e.Text != "" {
		text += ": " + e.Text
	}
	return text
}

// Fetcher pulls the images of stages with Docker, and repeats failed pulls.
type Fetcher struct {
	Docker Docker
	Notify func(Event)
	Wait   time.Duration // before the second attempt; it doubles with each
}

// attempts is how often the pull of an image is tried.
const attempts = 4

// Finder looks up images in Docker's store by name.
type Finder interface {
	Image(ctx context.Context, name string) (docker.Image, error)
}

// Find returns the image that Docker has under a name, or docker.ErrNoImage. It finds an imported image, whose name
// Docker may not know yet, by the ID in the record.
func Find(ctx context.Context, d Finder, r Record, name string) (docker.Image, error) {
	image, err := d.Image(ctx, name)
	if errors.Is(err, docker.ErrNoImage) && r.id(name) != "" && strings.Contains(name, "@") {
		return d.Image(ctx, r.id(name))
	}
	return image, err
}

// Missing returns those of the named images that Docker does not have for the device's platform.
func Missing(ctx context.Context, d Finder, host docker.Host, r Record, names []string) (missing []string, err error) {
	for _, name := range names {
		image, err := Find(ctx, d, r, name)
		if errors.Is(err, docker.ErrNoImage) || err == nil && image.Platform() != host.Platform {
			missing = append(missing, name)
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// Fetch pulls the images that Docker lacks and syncs Docker's store to the disk, including images that an interrupted
// command pulled before. It tries all images; the error has the reason for each that failed.
func (f Fetcher) Fetch(ctx context.Context, r Record, names []string) error {
	if len(names) == 0 {
		return nil
	}
	host, err := f.Docker.Host(ctx)
	if err != nil {
		return fmt.Errorf("%d container images are needed: %w", len(names), err)
	}
	missing, err := Missing(ctx, f.Docker, host, r, names)
	if err != nil {
		return err
	}
	var errs []error
	for i, name := range missing {
		e := Event{Image: name, Number: i + 1, Total: len(missing), State: Fetching}
		err := f.fetch(ctx, e, host.Platform)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("image %s: %w", name, err))
		}
	}
	return errors.Join(append(errs, f.Docker.Sync(host.Root))...)
}

// fetch pulls an image, and retries unless the error is permanent.
func (f Fetcher) fetch(ctx context.Context, e Event, platform string) error {
	attempt := 1
	retry := download.Retry{Attempts: attempts, Backoff: f.Wait, Notify: func(err error, wait time.Duration) {
		attempt++
		e.State, e.Text = Retrying, fmt.Sprintf("attempt %d of %d, in %s: %v", attempt, attempts, wait, err)
		f.Notify(e)
	}}
	err := retry.Do(ctx, isPermanent, func() int64 { return 0 }, func(ctx context.Context) error {
		e.State, e.Text = Fetching, ""
		f.Notify(e)
		return f.pull(ctx, e, platform)
	})
	if err != nil {
		return err
	}
	e.State, e.Text = Fetched, ""
	f.Notify(e)
	return nil
}

// pull pulls an image once, and checks its platform.
func (f Fetcher) pull(ctx context.Context, e Event, platform string) error {
	layers := progress{}
	err := f.Docker.Pull(ctx, e.Image, platform, func(line string) {
		if text := layers.read(line); text != "" {
			e.State, e.Text = Layers, text
			f.Notify(e)
		}
	})
	if err != nil {
		return err
	}
	image, err := f.Docker.Image(ctx, e.Image)
	if err != nil {
		return err
	}
	if image.Platform() != platform {
		return fmt.Errorf("%w: image is for %s, want %s", errPlatform, image.Platform(), platform)
	}
	return nil
}

var errPlatform = errors.New("wrong platform")

// permanentErrors are parts of messages of registries and Docker after which a retry would fail, too.
var permanentErrors = []string{
	"manifest unknown", "not found", "access denied", "unauthorized", "no matching manifest", "no space left on device",
	"invalid reference format", "unsupported media type", "schemaVersion 1",
}

// isPermanent reports whether a retry would fail with the same error.
func isPermanent(err error) bool {
	return errors.Is(err, errPlatform) || errors.Is(err, docker.ErrUnavailable) ||
		slices.ContainsFunc(permanentErrors, func(word string) bool { return strings.Contains(err.Error(), word) })
}

// progress has the layers of an image by their short digests, and whether they are there.
type progress map[string]bool

// read parses a line of docker pull, and returns a text if the progress changed.
func (p progress) read(line string) string {
	layer, state, _ := strings.Cut(line, ": ")
	switch state {
	case "Pulling fs layer", "Waiting":
		p[layer] = p[layer] || false
	case "Pull complete", "Already exists":
		p[layer] = true
	default:
		return ""
	}
	done := 0
	for _, there := range p {
		if there {
			done++
		}
	}
	return fmt.Sprintf("%d of %d layers", done, len(p))
}
