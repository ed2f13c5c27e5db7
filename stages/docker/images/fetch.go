package images

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/stages/docker"
)

// Docker is what is asked of Docker: docker.Client, or a recorder.
type Docker interface {
	Host(ctx context.Context) (docker.Host, error)
	Image(ctx context.Context, name string) (docker.Image, error)
	Pull(ctx context.Context, name, platform string, say func(line string)) error
	Remove(ctx context.Context, name string) error
}

// State is how far fetching an image is.
type State string

// The states.
const (
	Fetching State = "fetching"
	Layers   State = "layers"
	Retrying State = "retrying"
	Fetched  State = "fetched"
)

// Event tells of an image that is being fetched.
type Event struct {
	Image  string `json:"image"`
	Number int    `json:"number"` // of Total, from 1
	Total  int    `json:"total"`
	State  State  `json:"state"`
	Text   string `json:"text,omitempty"` // which layers are there, or why it is tried again
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

// Fetcher has images fetched.
type Fetcher struct {
	Docker Docker
	Say    func(Event)
	Wait   time.Duration // before the second attempt; each later one waits four times as long
}

// attempts is how often an image is tried, in all.
const attempts = 4

// Finder finds images.
type Finder interface {
	Image(ctx context.Context, name string) (docker.Image, error)
}

// Find is the image of a name, also of one that came in a file while Docker does not know its digest yet. Where there is
// none the error is docker.ErrNoImage.
func Find(ctx context.Context, d Finder, r Record, name string) (docker.Image, error) {
	image, err := d.Image(ctx, name)
	if errors.Is(err, docker.ErrNoImage) && r.id(name) != "" && strings.Contains(name, "@") {
		return d.Image(ctx, r.id(name))
	}
	return image, err
}

// Missing are those of some images that the device does not have for its platform.
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

// Fetch has those of some images fetched that are missing. It tries them all; the error names each that could not be
// fetched, and why.
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
	return errors.Join(errs...)
}

// fetch has an image fetched, with further attempts unless they would be in vain.
func (f Fetcher) fetch(ctx context.Context, e Event, platform string) error {
	wait := f.Wait
	for attempt := 1; ; attempt++ {
		f.Say(e)
		err := f.pull(ctx, e, platform)
		if err == nil {
			e.State, e.Text = Fetched, ""
			f.Say(e)
			return nil
		}
		if final(err) || ctx.Err() != nil {
			return err
		}
		if attempt == attempts {
			return fmt.Errorf("tried %d times: %w", attempts, err)
		}
		e.State, e.Text = Retrying, fmt.Sprintf("attempt %d of %d, in %s: %v", attempt+1, attempts, wait, err)
		f.Say(e)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		e.State, e.Text, wait = Fetching, "", 4*wait
	}
}

// pull pulls an image once, and looks whether it is one for the device.
func (f Fetcher) pull(ctx context.Context, e Event, platform string) error {
	layers := progress{}
	err := f.Docker.Pull(ctx, e.Image, platform, func(line string) {
		if text := layers.read(line); text != "" {
			e.State, e.Text = Layers, text
			f.Say(e)
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
		return fmt.Errorf("%w: it is there for %s only, not for %s", errPlatform, image.Platform(), platform)
	}
	return nil
}

var errPlatform = errors.New("wrong platform")

// inVain are words of a registry or of Docker after which another attempt would end as well.
var inVain = []string{
	"manifest unknown", "not found", "access denied", "unauthorized", "no matching manifest", "no space left on device",
	"invalid reference format", "unsupported media type", "schemaVersion 1",
}

func final(err error) bool {
	return errors.Is(err, errPlatform) || errors.Is(err, docker.ErrNone) ||
		slices.ContainsFunc(inVain, func(word string) bool { return strings.Contains(err.Error(), word) })
}

// progress is which layers of an image are there, by their short names.
type progress map[string]bool

// read reads a line of docker pull, and returns a text if it tells something new.
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
	there := 0
	for _, done := range p {
		if done {
			there++
		}
	}
	return fmt.Sprintf("%d of %d layers", there, len(p))
}
