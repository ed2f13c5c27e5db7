package docker

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Dir is Docker's data directory on a device.
const Dir = "var/lib/docker"

// Store writes the data directory of a Docker daemon, with images, volumes and created containers, as a tree.
type Store struct {
	// Diff opens the uncompressed and verified archive of a layer, as images.Blobs.Diff does. The archive stays open as long as
	// the tree is used.
	Diff func(ctx context.Context, l images.Layer) (*os.File, error)
	// Cache is a directory for tar-split metadata by diff ID; created if it does not exist.
	Cache string

	Containers []Container // of images in the store
	Volumes    []Volume    // named volumes; anonymous ones belong to their containers
	Defaults   Defaults    // of the daemon that will start the containers
}

// Tree returns Docker's data directory, filled with the images, as a tree. Errors name the image and the layer or
// archive entry. The tree's root is sealed: it cannot be merged with other trees. Docker's own files have no
// modification time.
func (s Store) Tree(ctx context.Context, all []images.Image) (*tree.Tree, error) {
	chains, err := chainsOf(all)
	if err != nil {
		return nil, err
	}
	names, err := repositories(all)
	if err != nil {
		return nil, err
	}
	if err := s.read(ctx, chains); err != nil {
		return nil, err
	}
	t := newTree()
	for _, l := range chains {
		t.overlay(l)
		t.layer(l)
	}
	t.distribution(all)
	for _, image := range all {
		t.file("image/overlay2/imagedb/content/sha256/"+image.ID().Encoded(), 0o600, string(image.Config))
	}
	t.file("image/overlay2/repositories.json", 0o600, names)
	if err := t.createAll(s, chains, all); err != nil {
		return nil, err
	}
	t.Root.Sealed = true
	return &t.Tree, errors.Join(t.errs...)
}

// directories are the directories of an empty store, with their modes.
var directories = []struct {
	name string
	mode uint32
}{
	{"", 0o710},
	{"image", 0o700},
	{"image/overlay2", 0o700},
	{"image/overlay2/distribution", 0o700},
	{"image/overlay2/imagedb", 0o700},
	{"image/overlay2/imagedb/content", 0o700},
	{"image/overlay2/imagedb/content/sha256", 0o700},
	{"image/overlay2/imagedb/metadata", 0o700},
	{"image/overlay2/imagedb/metadata/sha256", 0o700},
	{"image/overlay2/layerdb", 0o700},
	{"image/overlay2/layerdb/sha256", 0o755},
	{"overlay2", 0o710},
	{"overlay2/l", 0o700},
}

// storeWriter is a tree that collects errors.
type storeWriter struct {
	tree.Tree
	errs []error
}

func newTree() *storeWriter {
	t := &storeWriter{Tree: *tree.New()}
	for _, d := range directories {
		t.directory(d.name, d.mode)
	}
	return t
}

func (t *storeWriter) put(name string, n *tree.Node) {
	if err := t.Put(name, n); err != nil {
		t.errs = append(t.errs, fmt.Errorf("write Docker's store: %w", err))
	}
}

func (t *storeWriter) directory(name string, mode uint32) { t.put(name, &tree.Node{Mode: mode}) }

func (t *storeWriter) file(name string, mode uint32, content string) {
	t.put(name, &tree.Node{Type: tree.Regular, Mode: mode, Content: tree.Inline(content)})
}
