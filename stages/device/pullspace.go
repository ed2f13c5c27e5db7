package device

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"

	pkimages "github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/images/source"
	"github.com/PlanktoScope/pkbuild/internal/download"
	"github.com/PlanktoScope/pkbuild/stages/docker"
)

// reserve is how much of Docker's file system a pull leaves free for the device to boot and to be repaired, in bytes.
const reserve = 256 << 20

// describeLimit is how long registries may take to describe all images.
const describeLimit = 20 * time.Second

// errSpace is the error of a pull that will probably not fit.
var errSpace = errors.New("too little space")

// pullFactor is the disk usage of a compressed image layer while Docker pulls it, in multiples of its size: the layer
// itself, and about three times as much for its files.
const pullFactor = 4

// Describe returns an image of a registry, by its name and the platform of Docker, without downloading its layers.
func Describe(ctx context.Context, platform, name string) (image pkimages.Image, err error) {
	p, err := pkimages.ParsePlatform(platform)
	if err != nil {
		return image, err
	}
	dir, err := os.MkdirTemp("", "pkctl-describe-")
	if err != nil {
		return image, err
	}
	defer os.RemoveAll(dir) // best effort: it holds no layers
	once := download.DefaultRetry()
	once.Attempts = 1
	client := source.Client{Blobs: pkimages.Blobs{Dir: dir}, Platform: p, Retry: once}
	return client.Describe(ctx, source.Reference{Name: name})
}

// checkPullSpace returns an error if missing images will probably not fit beside the reserve. Images that the registry does
// not describe are not counted: Docker says why they cannot be had.
func (d Device) checkPullSpace(ctx context.Context, host docker.Host, missing []string) error {
	if d.Describe == nil || d.Space == nil {
		return nil
	}
	has, err := d.chains(ctx)
	if err != nil {
		return err
	}
	var need int64
	limited, cancel := context.WithTimeout(ctx, describeLimit)
	defer cancel()
	for _, name := range missing {
		image, err := d.Describe(limited, host.Platform, name)
		if err != nil {
			continue
		}
		need += pullFactor * lackingSize(image, has)
	}
	space, err := d.Space(host.Root)
	if err != nil || need <= space.Free-reserve {
		return nil // a directory that this user cannot see is not checked
	}
	return fmt.Errorf("%w in %s: about %s needed for %d images, %s free, of which %s stay reserved; "+
		"pkctl stage prune deletes stages and images that nothing needs", errSpace, host.Root, humanize.Bytes(uint64(need)), len(missing),
		humanize.Bytes(uint64(max(space.Free, 0))), humanize.Bytes(reserve))
}

// chains returns the chain IDs of the layers that Docker has.
func (d Device) chains(ctx context.Context) (map[digest.Digest]bool, error) {
	all, err := d.Docker.Images(ctx)
	has := map[digest.Digest]bool{}
	for _, image := range all {
		var diffs []digest.Digest
		for _, l := range image.RootFS.Layers {
			diffs = append(diffs, digest.Digest(l))
		}
		for _, chain := range identity.ChainIDs(diffs) {
			has[chain] = true
		}
	}
	return has, err
}

// lackingSize returns the size of the layers of an image that are not in has, in bytes, and adds them to it.
func lackingSize(image pkimages.Image, has map[digest.Digest]bool) (size int64) {
	var diffs []digest.Digest
	for _, l := range image.Layers {
		diffs = append(diffs, l.DiffID)
	}
	for i, chain := range identity.ChainIDs(diffs) {
		if !has[chain] {
			has[chain] = true
			size += max(image.Layers[i].Size, 0)
		}
	}
	return size
}
