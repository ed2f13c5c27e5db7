package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/download"
	"github.com/PlanktoScope/pkbuild/stages/docker"
)

// Docker is the interface to the Docker daemon that this package uses; docker.Client implements it.
type Docker interface {
	Host(ctx context.Context) (docker.Host, error)
	Image(ctx context.Context, name string) (docker.Image, error)
	Pull(ctx context.Context, name, platform string, output func(line string)) error
	Images(ctx context.Context) ([]docker.Image, error)
	Remove(ctx context.Context, name string) error
	Tag(ctx context.Context, id, name string) error
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
	// Check is called before the first pull, with the names by which missing images are pulled; its error prevents it. It may
	// be nil.
	Check func(ctx context.Context, host docker.Host, missing []string) error
}

// attempts is how often the pull of an image is tried.
const attempts = 4

// Finder looks up images in Docker's store by name.
type Finder interface {
	Image(ctx context.Context, name string) (docker.Image, error)
}

// Find returns the image that a name means for a stage, or docker.ErrNoImage: the pinned one by its ID, else the one that
// Docker has under the name. It finds an imported image, whose name Docker may not know yet, by the ID in the record.
func Find(ctx context.Context, d Finder, r Record, pins images.Pins, name string) (docker.Image, error) {
	if pin, pinned := pins.Find(name); pinned {
		return d.Image(ctx, string(pin.ID))
	}
	image, err := d.Image(ctx, name)
	if errors.Is(err, docker.ErrNoImage) && r.id(name) != "" && strings.Contains(name, "@") {
		return d.Image(ctx, r.id(name))
	}
	return image, err
}

// Missing returns those of the named images that Docker does not have for the device's platform.
func Missing(ctx context.Context, d Finder, host docker.Host, r Record, pins images.Pins, names []string) (missing []string, err error) {
	for _, name := range names {
		image, err := Find(ctx, d, r, pins, name)
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

// Fetch pulls those of the named images that Docker lacks, pinned ones by digest, and returns pins with all names added. It
// tries all images; the error has the reason for each that failed, and the returned pins then lack names. It syncs Docker's
// store to the disk even if no image was missing, since an interrupted command may have pulled them.
func (f Fetcher) Fetch(ctx context.Context, r Record, pins images.Pins, names []string) (images.Pins, error) {
	if len(names) == 0 {
		return pins, nil
	}
	host, err := f.Docker.Host(ctx)
	if err != nil {
		return pins, fmt.Errorf("%d container images are needed: %w", len(names), err)
	}
	missing, err := Missing(ctx, f.Docker, host, r, pins, names)
	if err != nil {
		return pins, err
	}
	if err := f.check(ctx, host, pins, missing); err != nil {
		return pins, err
	}
	var errs []error
	for i, name := range missing {
		pin, pinned := pins.Find(name)
		if !pinned {
			pin.Name = name
		}
		e := Event{Image: name, Number: i + 1, Total: len(missing), State: Fetching}
		err := f.fetch(ctx, e, pin, host.Platform)
		if ctx.Err() != nil {
			return pins, ctx.Err()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("image %s: %w", name, err))
		}
	}
	if len(errs) == 0 {
		pins, err = Pin(ctx, f.Docker, r, pins, names)
		errs = append(errs, err)
	}
	return pins, errors.Join(append(errs, f.Docker.Sync(host.Root))...)
}

// check calls Check for missing images.
func (f Fetcher) check(ctx context.Context, host docker.Host, pins images.Pins, missing []string) error {
	if f.Check == nil || len(missing) == 0 {
		return nil
	}
	var names []string
	for _, name := range missing {
		pin, _ := pins.Find(name)
		names = append(names, cmp.Or(pullName(pin), name))
	}
	return f.Check(ctx, host, names)
}

// Pin returns pins with the names added that have none: each with the ID of the image that the name means in Docker now. It
// gives every named image its KeepTag, and fails with docker.ErrNoImage at the first that is missing.
func Pin(ctx context.Context, d Docker, r Record, pins images.Pins, names []string) (images.Pins, error) {
	for _, name := range names {
		image, err := Find(ctx, d, r, pins, name)
		if err != nil {
			return pins, err
		}
		if err := keep(ctx, d, image); err != nil {
			return pins, err
		}
		pins = pins.With(PinOf(name, image))
	}
	return pins, nil
}

// fetch pulls an image, and retries unless the error is permanent. The ID of the pin is empty if the name is not pinned.
func (f Fetcher) fetch(ctx context.Context, e Event, pin images.Pin, platform string) error {
	attempt := 1
	retry := download.Retry{Attempts: attempts, Backoff: f.Wait, Notify: func(err error, wait time.Duration) {
		attempt++
		e.State, e.Text = Retrying, fmt.Sprintf("attempt %d of %d, in %s: %v", attempt, attempts, wait, err)
		f.Notify(e)
	}}
	err := retry.Do(ctx, isPermanent, func() int64 { return 0 }, func(ctx context.Context) error {
		e.State, e.Text = Fetching, ""
		f.Notify(e)
		return f.pull(ctx, e, pin, platform)
	})
	if err != nil {
		return err
	}
	e.State, e.Text = Fetched, ""
	f.Notify(e)
	return nil
}

// pull pulls an image once, and checks its platform and, where it is pinned, its ID.
func (f Fetcher) pull(ctx context.Context, e Event, pin images.Pin, platform string) error {
	layers := progress{}
	name := pin.Name
	if pin.ID != "" {
		name = cmp.Or(pullName(pin), pin.Name)
	}
	err := f.Docker.Pull(ctx, name, platform, func(line string) {
		if text := layers.read(line); text != "" {
			e.State, e.Text = Layers, text
			f.Notify(e)
		}
	})
	if err != nil {
		return err
	}
	image, err := f.Docker.Image(ctx, name)
	if err != nil {
		return err
	}
	if image.Platform() != platform {
		return fmt.Errorf("%w: image is for %s, want %s", errPlatform, image.Platform(), platform)
	}
	if pin.ID != "" && image.ID != string(pin.ID) {
		return fmt.Errorf("%w: the registry has %s under this name, the stage was made with %s: import the stage from a file",
			errOtherImage, image.ID, pin.ID)
	}
	return nil
}

// The errors of pulled images that a retry does not change.
var (
	errPlatform   = errors.New("wrong platform")
	errOtherImage = errors.New("another image")
)

// permanentErrors are parts of messages of registries and Docker after which a retry would fail, too.
var permanentErrors = []string{
	"manifest unknown", "not found", "access denied", "unauthorized", "no matching manifest", "no space left on device",
	"invalid reference format", "unsupported media type", "schemaVersion 1",
}

// isPermanent reports whether a retry would fail with the same error.
func isPermanent(err error) bool {
	return errors.Is(err, errPlatform) || errors.Is(err, errOtherImage) || errors.Is(err, docker.ErrUnavailable) ||
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
