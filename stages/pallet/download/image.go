package download

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/images/source"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
)

// defaultPlatform is that of the devices.
const defaultPlatform = "linux/arm64"

func (c Cache) platform() string { return cmp.Or(c.Platform, defaultPlatform) }

// image downloads an image and unpacks a part of its file system.
func (c Cache) image(ctx context.Context, d pallet.Download) (dir, name string, err error) {
	want, err := pinnedDigest(d)
	if err != nil {
		return "", "", err
	}
	if want != "" {
		if dir, name, err := c.unpacked(d, c.imageKey(want), notCached); err == nil {
			return dir, name, nil
		}
	}
	dir, name, err = c.pull(ctx, d, want)
	if err != nil {
		return "", "", fmt.Errorf("pull %s: %w", d.URL, err)
	}
	return dir, name, nil
}

func (c Cache) imageKey(d digest.Digest) string { return d.String() + "\n" + c.platform() }

func notCached() (unpacker, error) { return unpacker{}, errors.New("image is not in the cache") }

// pinnedDigest returns the digest that an image's manifest must have; empty: any.
func pinnedDigest(d pallet.Download) (digest.Digest, error) {
	_, inName, _ := strings.Cut(d.URL, "@")
	if inName != "" && d.Checksum != "" && inName != d.Checksum {
		return "", fmt.Errorf("image %s has another digest than the checksum %s", d.URL, d.Checksum)
	}
	return digest.Digest(cmp.Or(inName, d.Checksum)), nil
}

func (c Cache) pull(ctx context.Context, d pallet.Download, want digest.Digest) (dir, name string, err error) {
	client, ref, err := c.client(d.URL, want)
	if err != nil {
		return "", "", err
	}
	contents, err := client.FetchContents(ctx, ref, MaxBytes)
	if err != nil {
		return "", "", err
	}
	for _, l := range contents.Layers {
		if !c.verified(ctx, l.Digest.Encoded()) { // the cache had it, and it was damaged since
			if contents, err = client.FetchContents(ctx, ref, MaxBytes); err != nil {
				return "", "", err
			}
			break
		}
	}
	return c.unpacked(d, c.imageKey(contents.Digest), func() (unpacker, error) {
		u := unpacker{whiteouts: true}
		for _, l := range contents.Layers {
			archive, err := archiveLayer(client.Blobs.Path(l.Digest))
			if err != nil {
				return u, fmt.Errorf("unpack layer %s: %w", l.Digest, err)
			}
			u.layers = append(u.layers, archive)
		}
		return u, nil
	})
}

// imageDigest returns the digest of the manifest to which an image's name points now.
func (c Cache) imageDigest(ctx context.Context, d pallet.Download) (string, error) {
	client, ref, err := c.client(d.URL, "")
	if err != nil {
		return "", fmt.Errorf("pull %s: %w", d.URL, err)
	}
	contents, err := client.Contents(ctx, ref)
	if err != nil {
		return "", fmt.Errorf("pull %s: %w", d.URL, err)
	}
	return contents.Digest.String(), nil
}

// client returns the client that pulls an image into the cache, and the image's place.
func (c Cache) client(name string, want digest.Digest) (source.Client, source.Pinned, error) {
	client := source.Client{Blobs: images.Blobs{Dir: c.files()}, Retry: c.retry(), System: c.System}
	ref := source.Pinned{Reference: source.Reference{Name: name}, Digest: want}
	platform, err := images.ParsePlatform(c.platform())
	if err != nil {
		return client, ref, err
	}
	client.Platform = platform
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return client, ref, fmt.Errorf("image name %q: %w", name, err)
	}
	if place, ok := c.Mirrors.Find(named.String()); ok {
		ref.From = mirrorSource(place)
	}
	if c.Offline && !ref.IsLocal() {
		return client, ref, errOffline
	}
	return client, ref, nil
}

// mirrorSource returns the place of a mirror in the form of source.Reference. Places in the file system have no digest in
// their names.
func mirrorSource(place string) string {
	transport, _, _ := strings.Cut(place, ":")
	switch transport {
	case "oci", "oci-archive", "docker-archive", "dir":
		place, _, _ = strings.Cut(place, "@")
		return place
	case "docker":
		return place
	}
	return "docker://" + place
}
