package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	godigest "github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/images/source"
	"github.com/PlanktoScope/pkbuild/internal/download"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// LockedImage is a container image as it was when the lock was made.
type LockedImage struct {
	Name   string          `json:"name"`   // in full, such as docker.io/library/caddy:2.8
	Digest godigest.Digest `json:"digest"` // of its manifest, or of the index of its manifests for several platforms
}

// imageSource brings the container images of a recipe to a cache.
func imageSource(r *recipes.Recipe, cache string) source.Client {
	return source.Client{
		Blobs: images.In(cache, ""), Platform: imagePlatform(r.Architecture), Dir: r.Dir, Retry: download.DefaultRetry(),
	}
}

// imagePlatform is for what the programs of container images are made.
func imagePlatform(architecture string) images.Platform {
	p := images.Platform{OS: "linux", Architecture: architecture}
	if architecture == "arm64" {
		p.Variant = "v8"
	}
	return p
}

// reference is where a container image is.
func (c Container) reference() source.Reference {
	return source.Reference{Name: c.Name, From: c.Source}
}

// lockedImages are the digests that the names of container images stand for now.
func lockedImages(ctx context.Context, client source.Client, all []Container) ([]LockedImage, error) {
	out := make([]LockedImage, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, c := range all {
		group.Go(func() (err error) {
			out[i].Name = c.Name
			out[i].Digest, err = client.Resolve(ctx, c.reference())
			return err
		})
	}
	return out, group.Wait()
}

// ImageDigest is the digest by which a container image is built in: that of the lock, which may be nil, or of the name
// itself.
func (l *Lock) ImageDigest(name string) (godigest.Digest, error) {
	if l != nil {
		for _, image := range l.Images {
			if image.Name == name {
				return image.Digest, nil
			}
		}
	}
	if _, d, ok := strings.Cut(name, "@"); ok {
		return godigest.Digest(d), images.Valid(godigest.Digest(d))
	}
	return "", fmt.Errorf("container image %s is not pinned by digest; run pkbuild lock", name)
}

// short is as much of the digest as tells it from others.
func (i LockedImage) short() string { return i.Digest.Encoded()[:12] }

// imageMisfits says which container images a recipe asks for that the lock has not, and the other way round.
func (l *Lock) imageMisfits(all []Container) []string {
	var out []string
	for _, c := range all {
		if !slices.ContainsFunc(l.Images, func(i LockedImage) bool { return i.Name == c.Name }) {
			out = append(out, "container image "+c.Name+" was added")
		}
	}
	for _, i := range l.Images {
		if !slices.ContainsFunc(all, func(c Container) bool { return i.Name == c.Name }) {
			out = append(out, "container image "+i.Name+" was removed")
		}
	}
	return out
}

// parseImage reads a line of a lock.
func parseImage(text string) (i LockedImage, err error) {
	d, name, _ := strings.Cut(text, " ")
	if name == "" {
		return i, errors.New("write image DIGEST REFERENCE")
	}
	i = LockedImage{name, godigest.Digest(d)}
	if err := images.Valid(i.Digest); err != nil {
		return i, err
	}
	full, err := fullName(name)
	if err == nil && full != name {
		err = fmt.Errorf("write %s in full: %s", name, full)
	}
	return i, err
}
