package docker

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/waiting"
)

// Host is the data directory, the platform and the kind of image store of a Docker daemon.
type Host struct {
	Root       string // its data directory
	Platform   string // of its containers, such as linux/arm64
	Containerd bool   // images are in containerd's store instead of Docker's own
}

// query is Run for a command that a working daemon answers at once.
func (c Client) query(ctx context.Context, args ...string) (string, error) {
	ctx, stop := waiting.Watch(ctx, "the Docker daemon", cmp.Or(c.QueryLimit, 2*time.Minute), nil)
	defer stop()
	return c.Run(ctx, args...)
}

// Host asks the Docker daemon for its data directory and platform. It returns ErrUnavailable if the daemon cannot be
// reached.
func (c Client) Host(ctx context.Context) (Host, error) {
	platform, err := c.query(ctx, "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")
	if err != nil {
		return Host{}, err
	}
	out, err := c.query(ctx, "info", "--format", "{{json .}}")
	if err != nil {
		return Host{}, err
	}
	var info struct {
		DockerRootDir string
		DriverStatus  [][2]string
	}
	if err := json.Unmarshal([]byte(out), &info); err != nil {
		return Host{}, fmt.Errorf("parse the output of docker info: %w", err)
	}
	containerd := slices.ContainsFunc(info.DriverStatus, func(s [2]string) bool {
		return strings.HasPrefix(s[1], "io.containerd.snapshotter")
	})
	return Host{Root: info.DockerRootDir, Platform: strings.TrimSpace(platform), Containerd: containerd}, nil
}

// Image is a container image in Docker's store, as docker image inspect prints it.
type Image struct {
	ID           string `json:"Id"` // the digest of its configuration
	RepoTags     []string
	RepoDigests  []string
	Os           string
	Architecture string
	Size         int64 // of the files in all layers, in bytes
	RootFS       struct {
		Layers []string // diff IDs, the base first
	}
}

// Platform returns the platform for which the image was built, such as linux/arm64.
func (i Image) Platform() string { return i.Os + "/" + i.Architecture }

// ErrNoImage is returned for an image that is not in Docker's store.
var ErrNoImage = errors.New("image is not in Docker's store")

// Image returns the image that Docker has under a name or ID. It returns ErrNoImage if there is none, or if Docker lost the
// metadata of its layers.
func (c Client) Image(ctx context.Context, name string) (Image, error) {
	images, err := c.inspect(ctx, name)
	if err != nil && strings.Contains(strings.ToLower(err.Error()), "no such image") {
		return Image{}, fmt.Errorf("image %s: %w", name, ErrNoImage)
	}
	if err != nil && strings.Contains(err.Error(), "layer does not exist") { // its metadata is damaged
		return Image{}, fmt.Errorf("image %s: %w with all its layers", name, ErrNoImage)
	}
	if err != nil {
		return Image{}, err
	}
	if len(images) != 1 {
		return Image{}, fmt.Errorf("docker image inspect printed %d images for the name %s", len(images), name)
	}
	return images[0], nil
}

// Images returns all images in Docker's store, those without names included, each once; nil if there are none.
func (c Client) Images(ctx context.Context) ([]Image, error) {
	out, err := c.query(ctx, "image", "ls", "--all", "--quiet", "--no-trunc")
	if err != nil {
		return nil, err
	}
	ids := strings.Fields(out)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return nil, nil
	}
	return c.inspect(ctx, ids...)
}

func (c Client) inspect(ctx context.Context, names ...string) (images []Image, err error) {
	out, err := c.query(ctx, append([]string{"image", "inspect", "--"}, names...)...)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(out), &images); err != nil {
		return nil, fmt.Errorf("parse the output of docker image inspect: %w", err)
	}
	return images, nil
}

// Sizes returns how many bytes each build step of an image (a line of docker image history) added, the base first. There may
// be more steps than layers, since a step that changes no files need not make a layer.
func (c Client) Sizes(ctx context.Context, id string) (sizes []int64, err error) {
	out, err := c.query(ctx, "image", "history", "--human=false", "--format", "{{json .Size}}", "--", id)
	if err != nil {
		return nil, err
	}
	for _, line := range strings.Fields(out) {
		var n int64
		if _, err := fmt.Sscan(strings.Trim(line, `"`), &n); err != nil {
			return nil, fmt.Errorf("parse the output of docker image history: size %s: %w", line, err)
		}
		sizes = append(sizes, n)
	}
	slices.Reverse(sizes)
	return sizes, nil
}

// Pull pulls an image for a platform such as linux/arm64. Before it returns, it calls output with each line that docker
// prints to stdout.
func (c Client) Pull(ctx context.Context, name, platform string, output func(line string)) error {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			output(lines.Text())
		}
		_, _ = io.Copy(io.Discard, r) // after a line that is too long
	}()
	err := c.stream(ctx, nil, w, "image", "pull", "--platform", platform, "--", name)
	_ = w.Close() // never fails
	<-done
	return err
}

// Remove removes one name of an image. With its last name Docker deletes the image; if a container uses it, Docker keeps
// both, and Remove returns an error.
func (c Client) Remove(ctx context.Context, name string) error {
	_, err := c.Run(ctx, "image", "rm", "--", name)
	return err
}

// Save writes the image with an ID as a tar archive in the format of docker save. It fails if Docker does not have the
// image, and after an error the archive may be incomplete.
func (c Client) Save(ctx context.Context, id string, to io.Writer) error {
	return c.stream(ctx, nil, to, "image", "save", "--", id)
}

// Load loads images from a tar archive in the format of docker save. The archive may lack layers that Docker has already.
func (c Client) Load(ctx context.Context, from io.Reader) error {
	return c.stream(ctx, from, io.Discard, "image", "load", "--quiet")
}

// Sync writes the file system of Docker's data directory root to the disk; all file systems if the caller may not open root,
// or root does not exist here. Docker does not do that for what it pulls or loads, so that a power cut would leave layers
// with empty files.
func (Client) Sync(root string) error {
	dir, err := os.Open(root)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) { // another user's, or another machine's
		unix.Sync()
		return nil
	}
	if err != nil {
		return err
	}
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return errors.Join(fmt.Errorf("sync %s: %w", root, err), dir.Close())
	}
	return dir.Close()
}

// Tag gives an additional name to the image with an ID, which Docker must have. If another image has the name, the name
// moves.
func (c Client) Tag(ctx context.Context, id, name string) error {
	_, err := c.Run(ctx, "image", "tag", "--", id, name)
	return err
}
