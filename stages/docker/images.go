package docker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Host is what Docker says of itself.
type Host struct {
	Root       string // the directory of its data
	Platform   string // that its containers run on, such as linux/arm64
	Containerd bool   // whether containerd keeps its images, which Docker's own store does not know then
}

// Host asks Docker about itself. Where there is no Docker the error is ErrNone.
func (c Client) Host(ctx context.Context) (Host, error) {
	platform, err := c.Run(ctx, "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")
	if err != nil {
		return Host{}, err
	}
	out, err := c.Run(ctx, "info", "--format", "{{json .}}")
	if err != nil {
		return Host{}, err
	}
	var info struct {
		DockerRootDir string
		DriverStatus  [][2]string
	}
	if err := json.Unmarshal([]byte(out), &info); err != nil {
		return Host{}, fmt.Errorf("what docker info says: %w", err)
	}
	containerd := slices.ContainsFunc(info.DriverStatus, func(s [2]string) bool {
		return strings.HasPrefix(s[1], "io.containerd.snapshotter")
	})
	return Host{Root: info.DockerRootDir, Platform: strings.TrimSpace(platform), Containerd: containerd}, nil
}

// Image is an image that Docker has.
type Image struct {
	ID           string `json:"Id"` // the digest of its configuration
	RepoTags     []string
	RepoDigests  []string
	Os           string
	Architecture string
	Size         int64 // of the files of all its layers, in bytes
	RootFS       struct {
		Layers []string // their diff IDs, the base first
	}
}

// Platform is for what an image was made.
func (i Image) Platform() string { return i.Os + "/" + i.Architecture }

// ErrNoImage says that Docker does not have an image.
var ErrNoImage = errors.New("docker does not have it")

// Image is the image of a name or an ID. Where Docker does not have it the error is ErrNoImage.
func (c Client) Image(ctx context.Context, name string) (Image, error) {
	images, err := c.inspect(ctx, name)
	if err != nil && strings.Contains(strings.ToLower(err.Error()), "no such image") {
		return Image{}, fmt.Errorf("image %s: %w", name, ErrNoImage)
	}
	if err != nil {
		return Image{}, err
	}
	if len(images) != 1 {
		return Image{}, fmt.Errorf("docker image inspect tells of %d images of the name %s", len(images), name)
	}
	return images[0], nil
}

// Images are all images that Docker has.
func (c Client) Images(ctx context.Context) ([]Image, error) {
	out, err := c.Run(ctx, "image", "ls", "--all", "--quiet", "--no-trunc")
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
	out, err := c.Run(ctx, append([]string{"image", "inspect", "--"}, names...)...)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(out), &images); err != nil {
		return nil, fmt.Errorf("what docker image inspect says: %w", err)
	}
	return images, nil
}

// Sizes are those of what each step of an image's making changed, in bytes, the base first: a layer each, but for steps
// that changed nothing, some of which have none.
func (c Client) Sizes(ctx context.Context, id string) (sizes []int64, err error) {
	out, err := c.Run(ctx, "image", "history", "--human=false", "--format", "{{json .Size}}", "--", id)
	if err != nil {
		return nil, err
	}
	for _, line := range strings.Fields(out) {
		var n int64
		if _, err := fmt.Sscan(strings.Trim(line, `"`), &n); err != nil {
			return nil, fmt.Errorf("what docker image history says: size %s: %w", line, err)
		}
		sizes = append(sizes, n)
	}
	slices.Reverse(sizes)
	return sizes, nil
}

// Pull pulls an image for a platform, and passes on what docker says of it, line by line.
func (c Client) Pull(ctx context.Context, name, platform string, say func(line string)) error {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			say(lines.Text())
		}
		_, _ = io.Copy(io.Discard, r) // after a line that is too long
	}()
	err := c.stream(ctx, nil, w, "image", "pull", "--platform", platform, "--", name)
	_ = w.Close() // has no error to return
	<-done
	return err
}

// Remove takes a name from an image; the image goes with its last name, unless a container uses it.
func (c Client) Remove(ctx context.Context, name string) error {
	_, err := c.Run(ctx, "image", "rm", "--", name)
	return err
}

// Save writes an image as a tar in Docker's format.
func (c Client) Save(ctx context.Context, id string, to io.Writer) error {
	return c.stream(ctx, nil, to, "image", "save", "--", id)
}

// Load loads the images of a tar in Docker's format. Layers that Docker has already may be missing in it.
func (c Client) Load(ctx context.Context, from io.Reader) error {
	return c.stream(ctx, from, io.Discard, "image", "load", "--quiet")
}

// Tag gives an image a further name.
func (c Client) Tag(ctx context.Context, id, name string) error {
	_, err := c.Run(ctx, "image", "tag", "--", id, name)
	return err
}
