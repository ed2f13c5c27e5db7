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

// maxInventory is the size of the largest inventory that is read, in bytes: a device has some hundred images.
const maxInventory = 4 << 20

// Inventory is what a device has.
type Inventory struct {
	Version  int       `json:"version"`
	Platform string    `json:"platform,omitempty"` // of its Docker, if it has one
	Images   []Image   `json:"images"`             // by ID
	Bundles  []Bundled `json:"bundles"`            // by number
}

// Image is which layers an image has.
type Image struct {
	ID     digest.Digest   `json:"id"`
	Layers []digest.Digest `json:"layers"` // their diff IDs, the base first
}

// Bundled is the bundle of a stage.
type Bundled struct {
	Stage  int           `json:"stage"`
	Digest digest.Digest `json:"digest"` // of its file of digests
}

// Docker is what is asked of Docker: docker.Client, or a recorder.
type Docker interface {
	Host(ctx context.Context) (docker.Host, error)
	Image(ctx context.Context, name string) (docker.Image, error)
	Images(ctx context.Context) ([]docker.Image, error)
	Sizes(ctx context.Context, id string) ([]int64, error)
	Tag(ctx context.Context, id, name string) error
	Save(ctx context.Context, id string, to io.Writer) error
	Load(ctx context.Context, from io.Reader) error
}

// TakeInventory looks what a device has. Where there is no Docker the error is docker.ErrUnavailable, and the inventory has the
// bundles.
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

// host asks Docker about itself, and refuses one whose images containerd keeps: it saves other layers than it runs.
func host(ctx context.Context, d Docker) (docker.Host, error) {
	h, err := d.Host(ctx)
	if err == nil && h.Containerd {
		err = errors.New("containerd keeps Docker's images here, and their layers are not told apart then: " +
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
			continue // it is not complete
		}
		if err != nil {
			return nil, err
		}
		out = append(out, Bundled{n, digest.Digest(sum)})
	}
	return out, nil
}

// ParseInventory reads an inventory.
func ParseInventory(data []byte) (v Inventory, err error) {
	if len(data) > maxInventory {
		return v, fmt.Errorf("the inventory has more than %d bytes", maxInventory)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&v); err != nil {
		return v, fmt.Errorf("parse the inventory: %w (make one with: pkctl stage inventory)", err)
	}
	if v.Version != inventoryVersion {
		return v, fmt.Errorf("parse the inventory: version is %d, want %d", v.Version, inventoryVersion)
	}
	for _, i := range v.Images {
		if err := i.check(); err != nil {
			return v, fmt.Errorf("parse the inventory: %w", err)
		}
	}
	return v, nil
}

// maxLayers is how many layers an image may have: what Docker mounts at once, and a base.
const maxLayers = 128

func (i Image) check() error {
	if len(i.Layers) > maxLayers {
		return fmt.Errorf("image %s has %d layers, more than %d", i.ID, len(i.Layers), maxLayers)
	}
	for _, d := range append([]digest.Digest{i.ID}, i.Layers...) {
		if err := valid(d); err != nil {
			return err
		}
	}
	return nil
}

func valid(d digest.Digest) error {
	if d.Validate() != nil || d.Algorithm() != digest.SHA256 {
		return fmt.Errorf("%.80q is no digest of SHA-256", string(d))
	}
	return nil
}

// chains are the chain IDs of an image's layers, the base first.
func (i Image) chains() []digest.Digest { return identity.ChainIDs(slices.Clone(i.Layers)) }

// chains are those of all images.
func (v Inventory) chains() map[digest.Digest]bool {
	out := map[digest.Digest]bool{}
	for _, i := range v.Images {
		for _, c := range i.chains() {
			out[c] = true
		}
	}
	return out
}

// has tells whether there is an image.
func (v Inventory) has(id digest.Digest) bool {
	return slices.ContainsFunc(v.Images, func(i Image) bool { return i.ID == id })
}

// stage is the stage that has a bundle; 0 if none has.
func (v Inventory) stage(bundle digest.Digest) int {
	for _, b := range v.Bundles {
		if b.Digest == bundle {
			return b.Stage
		}
	}
	return 0
}

// lacking are the layers of an image that are not there over those below them.
func lacking(i Image, has map[digest.Digest]bool) (diffs []digest.Digest) {
	for n, chain := range i.chains() {
		if !has[chain] {
			diffs = append(diffs, i.Layers[n])
		}
	}
	return diffs
}
