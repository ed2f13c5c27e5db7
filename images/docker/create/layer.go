// Package create is the build layer with container images: Docker on the device has them from its first start on, without
// pulling or loading, and optionally with the containers of Compose apps created. It joins images/source, which downloads
// images, with images/docker, which writes the store.
package create

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/images/docker"
	"github.com/PlanktoScope/pkbuild/images/source"
	"github.com/PlanktoScope/pkbuild/internal/download"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Layer is the layer of a disk image that fills /var/lib/docker, Docker's store, with container images and containers.
type Layer struct {
	Platform string  `json:"platform"` // such as linux/arm64/v8
	Images   []Image `json:"images"`
	Create   *Create `json:"create,omitempty"`
}

// Image is a container image to put into Docker's store, by name, source and digest.
type Image struct {
	Name   string        `json:"name"`             // in full, such as docker.io/library/caddy:2.8
	Source string        `json:"source,omitempty"` // see source.Reference; relative to Env.Dir
	Digest digest.Digest `json:"digest"`           // of the manifest or the index
}

// Kind implements layers.Layer. Image contents stay in the blob store, so the layer is not cached.
func (l Layer) Kind() layers.Kind {
	return layers.Kind{Name: "containers", Version: 1, Kept: true, Scratch: l.Create != nil}
}

// Make returns a tree with /var/lib/docker, filled with the images and the created containers.
func (l Layer) Make(ctx context.Context, env *layers.Env, below *tree.Tree) (*tree.Tree, error) {
	platform, err := images.ParsePlatform(l.Platform)
	if err != nil {
		return nil, err
	}
	blobs := images.In(env.Cache, env.Shared)
	store := docker.Store{Diff: blobs.Diff, Cache: filepath.Join(env.Cache, "tar-split")}
	client := source.Client{
		Blobs: blobs, Platform: platform, Dir: env.Dir, Retry: download.DefaultRetry(), Progress: progress(env), Added: store.Prepare,
	}
	all, err := client.FetchAll(ctx, l.pinned())
	if err != nil {
		return nil, err
	}
	if l.Create != nil {
		if err := l.Create.fill(ctx, env, below, &store, all); err != nil {
			return nil, withHint(err)
		}
	}
	data, err := store.Tree(ctx, all)
	if failed := (docker.ContainerError{}); errors.As(err, &failed) {
		return nil, withHint(failed)
	}
	if err != nil {
		return nil, err
	}
	t := tree.New()
	return t, t.Put(docker.Dir, data.Root)
}

func (l Layer) pinned() []source.Pinned {
	var out []source.Pinned
	for _, i := range l.Images {
		out = append(out, source.Pinned{Reference: source.Reference{Name: i.Name, From: i.Source}, Digest: i.Digest})
	}
	return out
}

// progress returns a function that reports the progress of each image layer at most once per percent.
func progress(env *layers.Env) func(source.Progress) {
	last := map[digest.Digest]int64{}
	return func(p source.Progress) {
		percent := int64(-1)
		if p.Total > 0 {
			percent = p.Done * 100 / p.Total
		}
		if was, known := last[p.Layer]; known && was == percent {
			return
		}
		last[p.Layer] = percent
		env.Report(layers.Progress{Message: "fetching " + p.Image, Done: p.Done, Total: max(p.Total, 0)})
	}
}
