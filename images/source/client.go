package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/types"
	"golang.org/x/sync/errgroup"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/download"
)

// Client brings images. Its methods may be called at the same time.
type Client struct {
	Blobs    images.Blobs // where to
	Platform images.Platform
	Dir      string // to which paths of references are relative
	Patience download.Patience
	System   *types.SystemContext // where the machine's configuration is; nil: where containers-registries.conf(5) has it
	Progress func(Progress)       // may be nil; its calls do not overlap
	// Added is called for each layer of what is fetched once it is there, several at a time, while others are on their
	// way; for one that several images have perhaps more than once. Its error ends the fetching. May be nil.
	Added func(context.Context, images.Layer) error
	slots chan struct{} // as many as layers that may be fetched and uncompressed at the same time
}

// Progress tells of a layer that is fetched.
type Progress struct {
	Image       string        // by its name
	Layer       digest.Digest // of its blob
	Done, Total int64         // in bytes; Total -1: unknown
}

// Resolve is the digest that a reference stands for: of a manifest, or of an index that has one for the platform.
func (c Client) Resolve(ctx context.Context, ref Reference) (_ digest.Digest, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("image %s: %w", ref, err)
		}
	}()
	s, err := c.session(ref, "")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	d, err := s.describeAnywhere(ctx)
	return d.image.Digest, err
}

func nothing() int64 { return 0 }

// describeAnywhere describes the image as the first place does that has it.
func (s *session) describeAnywhere(ctx context.Context) (d described, err error) {
	err = s.try(ctx, nothing, func(ctx context.Context, src types.ImageSource, p place, _ func(int)) (err error) {
		if d, err = s.describe(ctx, src, p); err != nil {
			return errors.Join(err, s.drop(src)) // it would give the same manifest again
		}
		return nil
	})
	return d, err
}

// parallel is how many images are fetched at the same time, and how many layers of all of them together.
const parallel = 4

// FetchAll has images, all their layers included, among the blobs, and returns them in the order given. Nobody is asked
// for one that is there already.
func (c Client) FetchAll(ctx context.Context, all []Pinned) ([]images.Image, error) {
	c.Progress = alternately(c.Progress)
	c.slots = make(chan struct{}, parallel)
	out := make([]images.Image, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, ref := range all {
		group.Go(func() (err error) {
			out[i], err = c.fetch(ctx, ref)
			return err
		})
	}
	return out, group.Wait()
}

// Fetch is FetchAll for one image.
func (c Client) Fetch(ctx context.Context, ref Pinned) (images.Image, error) {
	all, err := c.FetchAll(ctx, []Pinned{ref})
	return all[0], err
}

// alternately keeps calls of a function from overlapping.
func alternately(f func(Progress)) func(Progress) {
	if f == nil {
		return func(Progress) {}
	}
	var mu sync.Mutex
	return func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		f(p)
	}
}

func (c Client) fetch(ctx context.Context, ref Pinned) (images.Image, error) {
	image, err := c.kept(ref)
	if errors.Is(err, fs.ErrNotExist) {
		image, err = c.bring(ctx, ref)
	}
	if err != nil {
		return images.Image{}, fmt.Errorf("image %s: %w", ref.Reference, err)
	}
	name, err := ref.fullName()
	image.Names = []string{name}
	return image, err
}

// kept is an image that is among the blobs with all its layers, else the error is fs.ErrNotExist.
func (c Client) kept(ref Pinned) (images.Image, error) {
	if err := images.Valid(ref.Digest); err != nil {
		return images.Image{}, err
	}
	image, err := c.Blobs.Load(ref.Digest, c.Platform)
	if err == nil && !c.Blobs.Complete(image) {
		err = fs.ErrNotExist
	}
	return image, err
}

// bring fetches an image of which something is missing.
func (c Client) bring(ctx context.Context, ref Pinned) (image images.Image, err error) {
	s, err := c.session(ref.Reference, ref.Digest)
	if err != nil {
		return image, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	d, err := s.describeAnywhere(ctx)
	if err != nil {
		return image, err
	}
	if err := s.layers(ctx, d.image); err != nil {
		return image, err
	}
	return d.image, c.Blobs.Save(ctx, d.image, d.index)
}

// layers fetches those that are missing.
func (s *session) layers(ctx context.Context, image images.Image) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range image.Layers {
		group.Go(func() error {
			select {
			case s.slots <- struct{}{}:
				defer func() { <-s.slots }()
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := s.add(ctx, l); err != nil {
				return fmt.Errorf("layer %s: %w", l.Digest, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (s *session) add(ctx context.Context, l images.Layer) error {
	err := s.Blobs.Add(ctx, l, func(to *images.Partial) error { return s.layer(ctx, l, to) })
	if err != nil || s.Added == nil {
		return err
	}
	return s.Added(ctx, l)
}

func (s *session) layer(ctx context.Context, l images.Layer, to *images.Partial) error {
	info := types.BlobInfo{Digest: l.Digest, Size: l.Size, MediaType: l.MediaType}
	told := int64(-1)
	return s.try(ctx, to.Size, func(ctx context.Context, src types.ImageSource, _ place, alive func(int)) error {
		return downloadBlob(ctx, src, info, to, func(n int) {
			alive(n)
			if at := to.Size() + int64(n); at-told >= 1<<20 || at >= l.Size || told < 0 {
				told = at
				s.Progress(Progress{Image: s.ref.Name, Layer: l.Digest, Done: at, Total: l.Size})
			}
		})
	})
}
