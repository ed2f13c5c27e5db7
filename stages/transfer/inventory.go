package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"

	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// inventoryVersion is the version of the format of an inventory.
const inventoryVersion = 1

// maxInventory is the largest size of an inventory, in bytes. A device has some hundred images.
const maxInventory = 4 << 20

// Inventory lists the bundles and image layers that a device has, so that an export for it can leave them out.
type Inventory struct {
	Version  int       `json:"version"`
	Platform string    `json:"platform,omitempty"` // of Docker; empty: there is none
	Images   []Image   `json:"images"`             // sorted by ID
	Bundles  []Bundled `json:"bundles"`            // sorted by number
}

// Image is a container image by its ID, with the diff IDs of its layers.
type Image struct {
	ID     digest.Digest   `json:"id"`
	Layers []digest.Digest `json:"layers"` // diff IDs, the base first
}

// Bundled is a stage in an inventory: its number and the digest of its bundle.
type Bundled struct {
	Stage  int           `json:"stage"`
	Digest digest.Digest `json:"digest"` // of its file of digests
}

// Docker is the interface to the Docker daemon that exports and imports use; docker.Client implements it.
type Docker interface {
	Host(ctx context.Context) (docker.Host, error)
	Image(ctx context.Context, name string) (docker.Image, error)
	Images(ctx context.Context) ([]docker.Image, error)
	Sizes(ctx context.Context, id string) ([]int64, error)
	Tag(ctx context.Context, id, name string) error
	Save(ctx context.Context, id string, to io.Writer) error
	Load(ctx context.Context, from io.Reader) error
	Sync(root string) error
}

// TakeInventory lists the complete bundles of the stage store in dir and the image layers of this device's Docker. Without
// Docker it lists the bundles and returns docker.ErrUnavailable.
func TakeInventory(ctx context.Context, d Docker, dir string) (Inventory, error) {
	v := Inventory{Version: inventoryVersion, Images: []Image{}, Bundles: []Bundled{}}
	var err error
	if v.Bundles, err = bundles(dir); err != nil {
		return v, err
	}
	host, err := host(ctx, d)
	if err != nil {
		return v, err
	}
	v.Platform = host.Platform
	all, err := d.Images(ctx)
	for _, i := range all {
		v.Images = append(v.Images, imageOf(i))
	}
	slices.SortFunc(v.Images, func(a, b Image) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return v, err
}

func imageOf(i docker.Image) Image {
	out := Image{ID: digest.Digest(i.ID), Layers: []digest.Digest{}}
	for _, l := range i.RootFS.Layers {
		out.Layers = append(out.Layers, digest.Digest(l))
	}
	return out
}

// host returns the Docker daemon. It rejects one with containerd's image store, which saves other layers than it runs.
func host(ctx context.Context, d Docker) (docker.Host, error) {
	h, err := d.Host(ctx)
	if err == nil && h.Containerd {
		err = errors.New("Docker uses containerd's image store, whose layers cannot be exported one by one: " +
			`set "features": {"containerd-snapshotter": false} in /etc/docker/daemon.json`)
	}
	return h, err
}

func bundles(dir string) ([]Bundled, error) {
	sys, err := store.Linux(dir)
	if err != nil {
		return nil, err
	}
	all, err := store.Bundles(sys)
	if err := errors.Join(err, sys.Close()); err != nil {
		return nil, err
	}
	out := []Bundled{}
	for _, n := range all {
		sum, err := store.Digest(os.DirFS(dir), n)
		if errors.Is(err, fs.ErrNotExist) {
			continue // incomplete
		}
		if err != nil {
			return nil, err
		}
		out = append(out, Bundled{n, digest.Digest(sum)})
	}
	return out, nil
}

// ParseInventory parses the JSON inventory of a device. It fails for another format version.
func ParseInventory(data []byte) (v Inventory, err error) {
	if len(data) > maxInventory {
		return v, fmt.Errorf("inventory has more than the allowed %d bytes", maxInventory)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&v); err != nil {
		return v, fmt.Errorf("parse inventory: %w (make one with: pkctl stage inventory)", err)
	}
	if v.Version != inventoryVersion {
		return v, fmt.Errorf("parse inventory: version is %d, want %d", v.Version, inventoryVersion)
	}
	for _, i := range v.Images {
		if err := i.check(); err != nil {
			return v, fmt.Errorf("parse inventory: %w", err)
		}
	}
	return v, nil
}

// maxLayers is how many layers an image may have: what overlay2 mounts.
const maxLayers = 128

func (i Image) check() error {
	if len(i.Layers) > maxLayers {
		return fmt.Errorf("image %s has %d layers: at most %d are allowed", i.ID, len(i.Layers), maxLayers)
	}
	for _, d := range append([]digest.Digest{i.ID}, i.Layers...) {
		if err := valid(d); err != nil {
			return err
		}
	}
	return nil
}

// valid returns an error unless d is a SHA-256 digest.
func valid(d digest.Digest) error {
	if d.Validate() != nil || d.Algorithm() != digest.SHA256 {
		return fmt.Errorf("%.80q is not a SHA-256 digest", string(d))
	}
	return nil
}

// chains returns the chain IDs of an image's layers, the base first.
func (i Image) chains() []digest.Digest { return identity.ChainIDs(slices.Clone(i.Layers)) }

// chains returns the chain IDs of all images.
func (v Inventory) chains() map[digest.Digest]bool {
	out := map[digest.Digest]bool{}
	for _, i := range v.Images {
		for _, c := range i.chains() {
			out[c] = true
		}
	}
	return out
}

// has reports whether the device has an image.
func (v Inventory) has(id digest.Digest) bool {
	return slices.ContainsFunc(v.Images, func(i Image) bool { return i.ID == id })
}

// stage returns the stage with a bundle; 0: none.
func (v Inventory) stage(bundle digest.Digest) int {
	for _, b := range v.Bundles {
		if b.Digest == bundle {
			return b.Stage
		}
	}
	return 0
}

// lacking returns the layers of an image whose chain IDs a device lacks.
func lacking(i Image, has map[digest.Digest]bool) (diffs []digest.Digest) {
	for n, chain := range i.chains() {
		if !has[chain] {
			diffs = append(diffs, i.Layers[n])
		}
	}
	return diffs
}
