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

// Client downloads container images from registries and local archives into a blob store. Its methods may be called
// concurrently.
type Client struct {
	Blobs    images.Blobs // receives the layers, manifests and configurations
	Platform images.Platform
	Dir      string // paths in references are relative to it
	Retry    download.Retry
	System   *types.SystemContext // paths of the configuration files; nil: those of containers-registries.conf(5)
	Progress func(Progress)       // may be nil; its calls do not overlap
	// Added is called for each downloaded layer, concurrently, and more than once for a layer that several images share. An
	// error of it ends the download. It may be nil.
	Added func(context.Context, images.Layer) error
	slots chan struct{} // limits how many layers are downloaded and decompressed at the same time
}

// Progress reports how many bytes of an image layer have been downloaded.
type Progress struct {
	Image       string        // its name
	Layer       digest.Digest // of the blob
	Done, Total int64         // in bytes; Total -1: unknown
}

// Resolve asks the registry for the digest to which a reference points now: of the index for several platforms, else of
// the manifest. It fails if the image is not available for the client's platform.
func (c Client) Resolve(ctx context.Context, ref Reference) (digest.Digest, error) {
	image, err := c.Describe(ctx, ref)
	return image.Digest, err
}

// Describe returns the image to which a reference points now, without downloading its layers. It fails if the image is not
// available for the client's platform.
func (c Client) Describe(ctx context.Context, ref Reference) (_ images.Image, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("image %s: %w", ref, err)
		}
	}()
	s, err := c.session(ref, "")
	if err != nil {
		return images.Image{}, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	m, err := fromAny(ctx, s, s.readMetadata)
	return m.image, err
}

// parallel is how many images are downloaded at the same time, and how many layers of all of them together.
const parallel = 4

// FetchAll downloads images with their layers into the blob store and returns them in the order given. It skips blobs that
// the store has, and uses no network for an image that is complete. The first failure ends all downloads; the next call
// continues them.
func (c Client) FetchAll(ctx context.Context, all []Pinned) ([]images.Image, error) {
	c = c.started()
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

// started returns the client with what the downloads of one call share.
func (c Client) started() Client {
	c.Progress = serialize(c.Progress)
	c.slots = make(chan struct{}, parallel)
	return c
}

// Fetch downloads one image with its layers into the blob store; see FetchAll.
func (c Client) Fetch(ctx context.Context, ref Pinned) (images.Image, error) {
	all, err := c.FetchAll(ctx, []Pinned{ref})
	return all[0], err
}

// serialize returns a function whose calls do not overlap.
func serialize(f func(Progress)) func(Progress) {
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
	image, err := c.load(ref)
	if errors.Is(err, fs.ErrNotExist) {
		image, err = c.download(ctx, ref)
	}
	if ref.IsLocal() && errors.As(err, new(*manifestDigestError)) {
		err = fmt.Errorf("%w: the image changed since the lock was made; run pkbuild lock", err)
	}
	if err != nil {
		return images.Image{}, fmt.Errorf("image %s: %w", ref.Reference, err)
	}
	name, err := ref.fullName()
	image.Names = []string{name}
	return image, err
}

// load returns an image that the blob store has with all its layers, else fs.ErrNotExist.
func (c Client) load(ref Pinned) (images.Image, error) {
	if err := images.Valid(ref.Digest); err != nil {
		return images.Image{}, err
	}
	image, err := c.Blobs.Load(ref.Digest, c.Platform)
	if err == nil && !c.Blobs.Complete(image) {
		err = fs.ErrNotExist
	}
	return image, err
}

// download downloads what the blob store lacks of an image.
func (c Client) download(ctx context.Context, ref Pinned) (image images.Image, err error) {
	s, err := c.session(ref.Reference, ref.Digest)
	if err != nil {
		return image, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	m, err := fromAny(ctx, s, s.readMetadata)
	if err != nil {
		return image, err
	}
	if err := s.layers(ctx, m.image.Layers, s.add); err != nil {
		return image, err
	}
	return m.image, c.Blobs.Save(ctx, m.image, m.index)
}

// layers calls get for each layer, several at a time.
func (s *session) layers(ctx context.Context, all []images.Layer, get func(context.Context, images.Layer) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range all {
		group.Go(func() error {
			select {
			case s.slots <- struct{}{}:
				defer func() { <-s.slots }()
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := get(ctx, l); err != nil {
				return fmt.Errorf("layer %s: %w", l.Digest, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// add stores a layer that the blob store lacks.
func (s *session) add(ctx context.Context, l images.Layer) error {
	err := s.Blobs.Add(ctx, l, func(to *images.Partial) error { return s.layer(ctx, l, to) })
	if err != nil || s.Added == nil {
		return err
	}
	return s.Added(ctx, l)
}

// layer downloads the blob of a layer.
func (s *session) layer(ctx context.Context, l images.Layer, to *images.Partial) error {
	info := types.BlobInfo{Digest: l.Digest, Size: l.Size, MediaType: l.MediaType}
	reported := int64(-1)
	return s.try(ctx, to.Size, func(ctx context.Context, c *connection, received func(int)) error {
		return downloadBlob(ctx, c, info, to, func(n int) {
			received(n)
			if at := to.Size() + int64(n); at-reported >= 1<<20 || at >= l.Size || reported < 0 {
				reported = at
				s.Progress(Progress{Image: s.ref.Name, Layer: l.Digest, Done: at, Total: l.Size})
			}
		})
	})
}
