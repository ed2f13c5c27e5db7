package download

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"

	"github.com/PlanktoScope/pkbuild/stages/pallet"
)

// defaultPlatform is that of the devices.
const defaultPlatform = "linux/arm64"

func (c Cache) platform() string { return cmp.Or(c.Platform, defaultPlatform) }

// image downloads an image and unpacks a part of its file system.
func (c Cache) image(ctx context.Context, d pallet.Download) (dir, name string, err error) {
	want, err := pinned(d)
	if err != nil {
		return "", "", err
	}
	platform := c.platform()
	if want != "" {
		if dir, name, err := c.unpacked(d, want+"\n"+platform, notHere); err == nil {
			return dir, name, nil
		}
	}
	dir, name, err = c.pull(ctx, d, want, platform)
	if err != nil {
		return "", "", fmt.Errorf("pull %s: %w", d.URL, err)
	}
	return dir, name, nil
}

func notHere() (unpacker, error) { return unpacker{}, errors.New("not here") }

// pinned is the digest that the manifest of an image has to have, "" if any will do.
func pinned(d pallet.Download) (string, error) {
	_, digest, _ := strings.Cut(d.URL, "@")
	if digest != "" && d.Checksum != "" && digest != d.Checksum {
		return "", fmt.Errorf("image %s has another digest than the checksum %s", d.URL, d.Checksum)
	}
	if digest == "" {
		digest = d.Checksum
	}
	return digest, nil
}

func (c Cache) pull(ctx context.Context, d pallet.Download, want, platform string) (dir, name string, err error) {
	address := d.URL
	if want != "" && !strings.Contains(address, "@") {
		address += "@" + want // a tag may be on another image by now
	}
	p, err := c.puller(ctx, address, platform)
	if err != nil {
		return "", "", err
	}
	defer func() { err = errors.Join(err, p.src.Close()) }()
	m, digest, err := p.manifest(ctx, want)
	if err != nil {
		return "", "", err
	}
	return c.unpacked(d, digest+"\n"+platform, func() (unpacker, error) { return p.layers(ctx, m) })
}

// imageDigest is that of the manifest that an image's name stands for now.
func (c Cache) imageDigest(ctx context.Context, d pallet.Download) (digest string, err error) {
	p, err := c.puller(ctx, d.URL, c.platform())
	if err != nil {
		return "", fmt.Errorf("pull %s: %w", d.URL, err)
	}
	defer func() { err = errors.Join(err, p.src.Close()) }()
	raw, _, err := p.src.GetManifest(ctx, nil)
	if err != nil {
		return "", fmt.Errorf("pull %s: %w", d.URL, err)
	}
	sum, err := manifest.Digest(raw)
	return sum.String(), err
}

// puller opens an image, which is to be closed.
func (c Cache) puller(ctx context.Context, address, platform string) (puller, error) {
	ref, err := c.reference(address)
	if err != nil {
		return puller{}, err
	}
	sys, err := system(platform)
	if err != nil {
		return puller{}, err
	}
	src, err := ref.NewImageSource(ctx, sys)
	return puller{Cache: c, src: src, sys: sys}, err
}

// reference is where an image is pulled from.
func (c Cache) reference(name string) (types.ImageReference, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, err
	}
	place, mirrored := c.Mirrors.Find(named.String())
	switch transport, rest, _ := strings.Cut(place, ":"); {
	case !mirrored:
		place = named.String()
	case transport == layout.Transport.Name():
		return layout.ParseReference(undigested(rest))
	case transport == archive.Transport.Name():
		return archive.ParseReference(undigested(rest))
	case transport == directory.Transport.Name():
		return directory.NewReference(undigested(rest))
	case transport == docker.Transport.Name():
		place = strings.TrimPrefix(rest, "//")
	}
	if c.Offline {
		return nil, errOffline
	}
	return dockerReference(place)
}

// undigested is a place without the digest of the image, which is checked anyway.
func undigested(place string) string {
	before, _, _ := strings.Cut(place, "@")
	return before
}

// dockerReference is a reference to a registry. One with a tag and a digest is that with the digest.
func dockerReference(place string) (types.ImageReference, error) {
	named, err := reference.ParseNormalizedNamed(place)
	if err != nil {
		return nil, err
	}
	if digested, ok := named.(reference.Digested); ok {
		if named, err = reference.WithDigest(reference.TrimNamed(named), digested.Digest()); err != nil {
			return nil, err
		}
	}
	return docker.NewReference(reference.TagNameOnly(named))
}

// system is the platform for which an image is chosen.
func system(platform string) (*types.SystemContext, error) {
	parts := strings.Split(platform, "/")
	if len(parts) < 2 || len(parts) > 3 {
		return nil, fmt.Errorf("platform %q is not of the form os/architecture[/variant], such as linux/arm64", platform)
	}
	sys := &types.SystemContext{OSChoice: parts[0], ArchitectureChoice: parts[1]}
	if len(parts) == 3 {
		sys.VariantChoice = parts[2]
	}
	return sys, nil
}

// puller pulls one image.
type puller struct {
	Cache
	src types.ImageSource
	sys *types.SystemContext
}

// manifest is the manifest for the platform, and the digest of what the image's name stands for.
func (p puller) manifest(ctx context.Context, want string) (manifest.Manifest, string, error) {
	raw, kind, err := p.src.GetManifest(ctx, nil)
	if err != nil {
		return nil, "", err
	}
	digest, err := manifest.Digest(raw)
	if err != nil {
		return nil, "", err
	}
	if want != "" && digest.String() != want {
		return nil, "", fmt.Errorf("it has the digest %s, not %s", digest, want)
	}
	if !manifest.MIMETypeIsMultiImage(kind) {
		m, err := manifest.FromBlob(raw, kind)
		return m, digest.String(), err
	}
	list, err := manifest.ListFromBlob(raw, kind)
	if err != nil {
		return nil, "", err
	}
	chosen, err := list.ChooseInstance(p.sys)
	if err != nil {
		return nil, "", err
	}
	if raw, kind, err = p.src.GetManifest(ctx, &chosen); err != nil {
		return nil, "", err
	}
	if ok, err := manifest.MatchesDigest(raw, chosen); err != nil || !ok {
		return nil, "", errors.Join(err, fmt.Errorf("the manifest for the platform has not the digest %s", chosen))
	}
	m, err := manifest.FromBlob(raw, kind)
	return m, digest.String(), err
}

// maxLayers is the number of layers that an image may have: Docker's own limit is 127.
const maxLayers = 500

// layers downloads the layers of an image that are not in the cache.
func (p puller) layers(ctx context.Context, m manifest.Manifest) (unpacker, error) {
	u := unpacker{whiteouts: true}
	infos := m.LayerInfos()
	if len(infos) > maxLayers {
		return u, fmt.Errorf("it has more than %d layers", maxLayers)
	}
	for _, info := range infos {
		if info.EmptyLayer {
			continue
		}
		if err := p.layer(ctx, info.BlobInfo); err != nil {
			return u, fmt.Errorf("layer %s: %w", info.Digest, err)
		}
		l, err := archiveLayer(filepath.Join(p.files(), info.Digest.Encoded()))
		if err != nil {
			return u, fmt.Errorf("layer %s: %w", info.Digest, err)
		}
		u.layers = append(u.layers, l)
	}
	return u, nil
}

// layer downloads a layer and checks its digest.
func (p puller) layer(ctx context.Context, info types.BlobInfo) error {
	if err := info.Digest.Validate(); err != nil || info.Digest.Algorithm() != "sha256" {
		return errors.Join(errors.New("its digest is none of SHA-256"), err)
	}
	if p.kept(info.Digest.String()) {
		return nil
	}
	content, _, err := p.src.GetBlob(ctx, info, none.NoCache)
	if err != nil {
		return err
	}
	_, err = p.keep(content, info.Digest.String())
	return errors.Join(err, content.Close())
}
