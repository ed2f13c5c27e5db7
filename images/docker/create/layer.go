// Package create is the build layer with container images: Docker on the device has them from its first start on, without
// pulling or loading, and optionally with the containers of Compose apps created. It joins images/source, which downloads
// images, with images/docker, which writes the store.
package create

import (
	"context"
	"errors"
	"path"
	"path/filepath"
	"slices"
	"strings"

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
	Bundle   *Bundle `json:"bundle,omitempty"`
}

// Bundle is the bundle of the stage in the disk image. It gets the pins of its container images, so that the first boot
// starts them by ID.
type Bundle struct {
	Dir    string   `json:"dir"`    // on the device
	Images []string `json:"images"` // names in its compose files, in full
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
	pins := l.pins(all)
	if l.Create != nil {
		created := *l.Create
		created.pins = pins
		if err := created.fill(ctx, env, below, &store, all); err != nil {
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
	if err := t.Put(docker.Dir, data.Root); err != nil || len(pins.Images) == 0 {
		return t, err
	}
	text, err := pins.Marshal()
	if err != nil {
		return nil, err
	}
	return t, t.Put(path.Join(strings.TrimPrefix(l.Bundle.Dir, "/"), images.PinFile), &tree.Node{
		Type: tree.Regular, Mode: 0o644, ModTime: env.Latest, Content: tree.Inline(string(text)),
	})
}

// pins returns the pins of the bundle's images.
func (l Layer) pins(all []images.Image) (pins images.Pins) {
	for n, i := range l.Images {
		if l.Bundle == nil || !slices.Contains(l.Bundle.Images, i.Name) {
			continue
		}
		pin := images.Pin{Name: i.Name, ID: all[n].ID()}
		if i.Source == "" {
			pin.Digest = i.Digest
		}
		pins = pins.With(pin)
	}
	return pins
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
