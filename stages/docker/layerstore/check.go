package layerstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/PlanktoScope/pkbuild/images"
)

// Store checks and repairs the image layers in Root, the data directory of a Docker daemon with the storage driver overlay2.
type Store struct {
	Root string
}

// Damage is a layer or file of a container image in Docker's store that does not match its digest.
type Damage struct {
	Image   digest.Digest `json:"image"`           // its ID
	Layer   digest.Digest `json:"layer,omitempty"` // the diff ID; empty for the image's configuration
	Problem string        `json:"problem"`

	chain digest.Digest
}

// String describes the damage in one line.
func (d Damage) String() string {
	if d.Layer == "" {
		return fmt.Sprintf("configuration of image %s: %s", d.Image, d.Problem)
	}
	return fmt.Sprintf("layer %s: %s", d.Layer, d.Problem)
}

// Depth says how much of a layer Check reads: Sizes for metadata and the sizes of files, or Contents for everything.
type Depth int

// The depths.
const (
	Sizes    Depth = iota // metadata and the sizes of files, which finds what a power cut leaves
	Contents              // all files
)

// Check compares images, given by ID, with the digests of their layers and returns the damage; nil if there is none. A
// missing image is damage, and damage of a layer that several images share is listed once. Check fails if the store cannot
// be read at all, for example without root.
func (s Store) Check(ctx context.Context, depth Depth, ids ...digest.Digest) (all []Damage, err error) {
	if _, err := os.ReadDir(s.path("layerdb", "sha256")); err != nil {
		return nil, fmt.Errorf("read Docker's store: %w", err)
	}
	checked := map[digest.Digest]bool{}
	for _, id := range ids {
		diffs, err := s.diffIDs(id)
		if err != nil {
			all = append(all, Damage{Image: id, Problem: err.Error()})
			continue
		}
		for i, chain := range identity.ChainIDs(slices.Clone(diffs)) {
			if checked[chain] {
				continue
			}
			checked[chain] = true
			l := layer{Store: s, diff: diffs[i], chain: chain, below: diffs[:i]}
			err := l.check(ctx, depth)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				all = append(all, Damage{Image: id, Layer: diffs[i], Problem: err.Error(), chain: chain})
			}
		}
	}
	return all, nil
}

// path returns the path of Docker's metadata.
func (s Store) path(elements ...string) string {
	return filepath.Join(append([]string{s.Root, "image", "overlay2"}, elements...)...)
}

// layerDir returns the directory of the storage driver for a layer.
func (s Store) layerDir(cacheID string) string { return filepath.Join(s.Root, "overlay2", cacheID) }

// diffIDs returns the layers in an image's configuration, the base first.
func (s Store) diffIDs(id digest.Digest) ([]digest.Digest, error) {
	data, err := os.ReadFile(s.path("imagedb", "content", "sha256", id.Encoded()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("missing")
	}
	if err != nil {
		return nil, err
	}
	if digest.FromBytes(data) != id {
		return nil, errors.New("content does not have the digest in its name")
	}
	var c imagespec.Image
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, err
	}
	for _, d := range c.RootFS.DiffIDs {
		if err := images.Valid(d); err != nil {
			return nil, err
		}
	}
	return c.RootFS.DiffIDs, nil
}

// layer is a layer above others.
type layer struct {
	Store
	diff, chain digest.Digest
	below       []digest.Digest // diff IDs, the base first
}

// check returns the damage of the layer.
func (l layer) check(ctx context.Context, depth Depth) error {
	if got, err := l.read("diff"); err != nil || got != l.diff.String() {
		return wrong("diff ID", got, err)
	}
	if len(l.below) > 0 {
		if got, err := l.read("parent"); err != nil || got != identity.ChainID(l.below).String() {
			return wrong("parent", got, err)
		}
	}
	id, err := l.cacheID()
	if err != nil {
		return err
	}
	if err := l.checkLinks(id); err != nil {
		return err
	}
	files, err := os.OpenRoot(filepath.Join(l.layerDir(id), "diff"))
	if err != nil {
		return withoutPath(err)
	}
	split, err := os.Open(l.path("layerdb", "sha256", l.chain.Encoded(), splitFile))
	if err != nil {
		return errors.Join(withoutPath(err), files.Close())
	}
	defer func() { _ = errors.Join(split.Close(), files.Close()) }() // they were only read
	if err := checkSizes(files, split); err != nil || depth == Sizes {
		return err
	}
	if _, err := split.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return checkContents(ctx, files, split, l.diff)
}

// splitFile is the name of a layer's tar-split metadata.
const splitFile = "tar-split.json.gz"

// read returns the content of a small file of the layer's metadata.
func (l layer) read(name string) (string, error) {
	data, err := os.ReadFile(l.path("layerdb", "sha256", l.chain.Encoded(), name))
	return strings.TrimSpace(string(data)), withoutPath(err)
}

var (
	cacheIDs = regexp.MustCompile(`^[0-9a-f]{64}$`)
	links    = regexp.MustCompile(`^[0-9A-Z]{26}$`)
)

// cacheID returns the name of the layer's directory.
func (l layer) cacheID() (string, error) {
	id, err := l.read("cache-id")
	if err != nil || !cacheIDs.MatchString(id) {
		return "", wrong("cache-id", id, err)
	}
	return id, nil
}

// link returns the short name of a layer's directory.
func (s Store) link(cacheID string) (string, error) {
	data, err := os.ReadFile(filepath.Join(s.layerDir(cacheID), "link"))
	name := strings.TrimSpace(string(data))
	if err != nil || !links.MatchString(name) {
		return "", wrong("link", name, withoutPath(err))
	}
	return name, nil
}

// checkLinks checks the short name of the layer's directory, and the names of those below.
func (l layer) checkLinks(cacheID string) error {
	name, err := l.link(cacheID)
	if err != nil {
		return err
	}
	target, err := os.Readlink(filepath.Join(l.Root, "overlay2", "l", name))
	if err != nil || target != "../"+cacheID+"/diff" {
		return wrong("target of link "+name, target, withoutPath(err))
	}
	if len(l.below) == 0 {
		return nil
	}
	want, err := l.lower()
	if err != nil {
		return nil // the damage is that of a layer below
	}
	got, err := os.ReadFile(filepath.Join(l.layerDir(cacheID), "lower"))
	if err != nil || string(got) != want {
		return wrong("lower", string(got), withoutPath(err))
	}
	return nil
}

// lower returns the list of the layers below by short name, the nearest first.
func (l layer) lower() (string, error) {
	var names []string
	for n := len(l.below); n > 0; n-- {
		below := layer{Store: l.Store, chain: identity.ChainID(slices.Clone(l.below[:n]))}
		id, err := below.cacheID()
		if err != nil {
			return "", err
		}
		name, err := l.link(id)
		if err != nil {
			return "", err
		}
		names = append(names, "l/"+name)
	}
	return strings.Join(names, ":"), nil
}

// wrong returns the error for metadata that cannot be read or has an unexpected value.
func wrong(what, got string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s is %.80q", what, got)
}

// withoutPath returns the cause of an error about a file, whose path means nothing to a user.
func withoutPath(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}
