package builder

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/PlanktoScope/pkbuild/builder/lock"
	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/images/source"
	"github.com/PlanktoScope/pkbuild/internal/download"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// imageSource returns the client that fetches the container images of a recipe into a cache.
func imageSource(r *recipes.Recipe, cache string) source.Client {
	return source.Client{
		Blobs: images.In(cache, ""), Platform: imagePlatform(r.Architecture), Dir: r.Dir, Retry: download.DefaultRetry(),
	}
}

// imagePlatform returns the platform of container images for an architecture.
func imagePlatform(architecture string) images.Platform {
	p := images.Platform{OS: "linux", Architecture: architecture}
	if architecture == "arm64" {
		p.Variant = "v8"
	}
	return p
}

// resolveImages returns the current digests of container images.
func resolveImages(ctx context.Context, client source.Client, all []wantedImage) ([]lock.Image, error) {
	out := make([]lock.Image, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, image := range all {
		group.Go(func() (err error) {
			out[i].Name = image.name
			out[i].Digest, err = client.Resolve(ctx, image.reference())
			return err
		})
	}
	return out, group.Wait()
}
