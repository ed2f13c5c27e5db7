package transfer

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/PlanktoScope/pkbuild/stages/docker"
)

// fake is Docker in memory.
type fake struct {
	host   docker.Host
	none   bool                     // Docker is unavailable
	blobs  map[digest.Digest][]byte // layers by diff ID, configurations by ID
	names  map[string]digest.Digest
	chains map[digest.Digest]bool
	loads  int
	broken error // result of Save and Load
	oci    bool  // Save names files by digests, as Docker 25.0 and later do
	synced int   // the number of loads before the last Sync
}

func newFake() *fake {
	return &fake{
		host:  docker.Host{Root: "/docker", Platform: "linux/amd64"},
		blobs: map[digest.Digest][]byte{}, names: map[string]digest.Digest{}, chains: map[digest.Digest]bool{},
	}
}

// add adds an image.
func (f *fake) add(t testing.TB, name string, layers ...[]byte) digest.Digest {
	config := configOf(t, "amd64", layers...)
	id := digest.FromBytes(config)
	f.blobs[id], f.names[name], f.names[id.String()] = config, id, id
	for _, l := range layers {
		f.blobs[digest.FromBytes(l)] = l
	}
	for _, c := range (Image{Layers: diffs(config)}).chains() {
		f.chains[c] = true
	}
	return id
}

func diffs(config []byte) []digest.Digest {
	var c imagespec.Image
	_ = json.Unmarshal(config, &c) // valid
	return c.RootFS.DiffIDs
}

func (f *fake) Host(context.Context) (docker.Host, error) {
	if f.none {
		return docker.Host{}, fmt.Errorf("%w: it is not installed", docker.ErrUnavailable)
	}
	return f.host, nil
}

func (f *fake) Image(_ context.Context, name string) (docker.Image, error) {
	id, known := f.names[name]
	if !known {
		return docker.Image{}, docker.ErrNoImage
	}
	out := docker.Image{ID: id.String(), Os: "linux", Architecture: "amd64"}
	for _, d := range diffs(f.blobs[id]) {
		out.RootFS.Layers = append(out.RootFS.Layers, d.String())
	}
	return out, nil
}

func (f *fake) Images(ctx context.Context) (all []docker.Image, err error) {
	for name, id := range f.names {
		if name == id.String() {
			i, _ := f.Image(ctx, name) // exists
			all = append(all, i)
		}
	}
	return all, nil
}

func (f *fake) Sizes(_ context.Context, id string) (sizes []int64, err error) {
	for _, d := range diffs(f.blobs[digest.Digest(id)]) {
		sizes = append(sizes, int64(len(f.blobs[d])), 0) // and a step without a layer
	}
	return sizes, nil
}

func (f *fake) Tag(_ context.Context, id, name string) error {
	f.names[name] = digest.Digest(id)
	return nil
}

// Save writes as Docker before 25.0: layers first, under arbitrary names, and a duplicate as a link.
func (f *fake) Save(_ context.Context, id string, to io.Writer) error {
	if f.oci {
		return f.saveBlobs(digest.Digest(id), to)
	}
	w := tar.NewWriter(to)
	config := f.blobs[digest.Digest(id)]
	for n, d := range diffs(config) {
		h := &tar.Header{Name: fmt.Sprintf("%d/layer.tar", n), Size: int64(len(f.blobs[d])), Mode: 0o644}
		if err := errors.Join(w.WriteHeader(h), writing(w, f.blobs[d])); err != nil {
			return err
		}
	}
	h := &tar.Header{Name: digest.Digest(id).Encoded() + ".json", Size: int64(len(config)), Mode: 0o644}
	link := &tar.Header{Name: "9/layer.tar", Typeflag: tar.TypeSymlink, Linkname: "../0/layer.tar"}
	return errors.Join(w.WriteHeader(link), w.WriteHeader(h), writing(w, config), f.broken, w.Close())
}

// saveBlobs writes as Docker 25.0: an OCI layout.
func (f *fake) saveBlobs(id digest.Digest, to io.Writer) error {
	w := tar.NewWriter(to)
	for _, d := range append(diffs(f.blobs[id]), id, digest.FromString("[]")) {
		data := append(f.blobs[d], map[bool]string{true: "[]"}[f.blobs[d] == nil]...)
		h := &tar.Header{Name: "blobs/sha256/" + d.Encoded(), Size: int64(len(data)), Mode: 0o644}
		if err := errors.Join(w.WriteHeader(h), writing(w, data)); err != nil {
			return err
		}
	}
	h := &tar.Header{Name: "index.json", Size: 2, Mode: 0o644}
	return errors.Join(w.WriteHeader(h), writing(w, []byte("{}")), f.broken, w.Close())
}

func writing(w io.Writer, data []byte) error { _, err := w.Write(data); return err }

// Load loads an image as Docker does: layers whose chain ID it has may be missing, others must match their diff IDs.
func (f *fake) Load(_ context.Context, from io.Reader) error {
	f.loads++
	files := map[string][]byte{}
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			return err
		}
	}
	if f.broken != nil {
		return f.broken
	}
	var manifest []loadEntry
	if err := json.Unmarshal(files[manifestMember], &manifest); err != nil {
		return err
	}
	config := files[manifest[0].Config]
	image, used := Image{Layers: diffs(config)}, map[string]bool{}
	for n, chain := range image.chains() {
		data, sent := files[manifest[0].Layers[n]]
		if f.chains[chain] {
			continue
		}
		if !sent || digest.FromBytes(data) != image.Layers[n] {
			return fmt.Errorf("layer %d of %d is missing or another one", n, len(image.Layers))
		}
		f.chains[chain], f.blobs[image.Layers[n]] = true, data
		used[manifest[0].Layers[n]] = true
	}
	if most := len(used) + 2; len(files) > most {
		return fmt.Errorf("%d files were sent, %d are needed", len(files), most)
	}
	id := digest.FromBytes(config)
	f.blobs[id], f.names[id.String()] = config, id
	return nil
}

func (f *fake) Sync(root string) error {
	f.synced = f.loads
	if root != f.host.Root {
		return fmt.Errorf("sync of %s", root)
	}
	return nil
}

// tagged returns the names of an image, sorted.
func (f *fake) tagged(id digest.Digest) (names []string) {
	for name, i := range f.names {
		if i == id && name != id.String() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
