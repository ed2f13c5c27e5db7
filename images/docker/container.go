package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Container is a container that exists in Docker's store but has never run.
type Container struct {
	Name    string // without the slash
	Title   string // for messages, such as service web of app site
	Image   digest.Digest
	Created time.Time
	// Request is the request to create it, in the format of
	// https://docs.docker.com/reference/api/engine/version/v1.45/#tag/Container/operation/ContainerCreate
	Request json.RawMessage
}

// ContainerError is the error for a container that cannot be created in Docker's store, with the name of the container.
type ContainerError struct {
	Title string // of the container
	Err   error
}

func (e ContainerError) Error() string { return e.Title + ": " + e.Err.Error() }

func (e ContainerError) Unwrap() error { return e.Err }

// ID returns the container ID. It is derived from the name and the image, so that it is the same in every build.
func (c Container) ID() string { return derive("container", c.Name, c.Image.String()) }

// derive returns an ID where Docker would draw a random one.
func derive(parts ...string) string {
	data, _ := json.Marshal(parts) // cannot fail: strings
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// createAll writes containers and their volumes.
func (t *storeWriter) createAll(s Store, chains []*chainLayer, all []images.Image) error {
	if len(s.Containers) == 0 {
		return nil
	}
	t.directory("containers", 0o710)
	t.directory("image/overlay2/layerdb/mounts", 0o755)
	bases := map[digest.Digest]*base{}
	volumes := newVolumes(s.Volumes)
	for _, c := range s.Containers {
		if bases[c.Image] == nil {
			b, err := t.base(c.Image, chains, all)
			if err != nil {
				return ContainerError{c.Title, err}
			}
			bases[c.Image] = b
		}
		if err := t.create(c, bases[c.Image], s.Defaults, volumes); err != nil {
			return ContainerError{c.Title, err}
		}
	}
	return t.volumes(volumes)
}

// create writes a container, and copies the image's files into its volumes.
func (t *storeWriter) create(c Container, b *base, d Defaults, v *volumes) error {
	complete, err := d.complete(c, b.config)
	if err != nil {
		return err
	}
	if err := v.fill(complete, b.view, d.API); err != nil {
		return err
	}
	return t.container(complete, b)
}

// base is the image of a container.
type base struct {
	config json.RawMessage
	top    *chainLayer
	view   *tree.Tree
}

func (t *storeWriter) base(id digest.Digest, chains []*chainLayer, all []images.Image) (*base, error) {
	i := slices.IndexFunc(all, func(image images.Image) bool { return image.ID() == id })
	if i < 0 {
		return nil, fmt.Errorf("image %s is not in the store", id)
	}
	diffs, err := diffIDs(all[i])
	if err != nil {
		return nil, err
	}
	if len(diffs) == 0 {
		return nil, fmt.Errorf("image %s has no layers", id)
	}
	top := identity.ChainID(diffs)
	j := slices.IndexFunc(chains, func(l *chainLayer) bool { return l.id == top })
	return &base{all[i].Config, chains[j], t.view(chains[j])}, nil
}

// container writes the metadata of a container and its two layers above those of the image.
func (t *storeWriter) container(c completeContainer, b *base) error {
	for name, content := range map[string]any{"config.v2.json": c.config, "hostconfig.json": c.host} {
		data, err := json.Marshal(content)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		mode := uint32(0o600)
		if name == "hostconfig.json" {
			mode = 0o644
		}
		t.file(path.Join("containers", c.id, name), mode, string(data))
	}
	t.directory("containers/"+c.id, 0o710)
	t.directory("containers/"+c.id+"/checkpoints", 0o700)

	init, err := initLayer(b.view)
	if err != nil {
		return err
	}
	mount, image := derive("mount", c.id), b.top
	lower := "l/" + image.link()
	if image.parent != nil {
		lower += ":" + image.lower()
	}
	t.file("overlay2/"+image.cacheID()+"/committed", 0o600, "")
	t.upper(mount+"-init", init.Root, lower)
	t.file("overlay2/"+mount+"-init/committed", 0o600, "")
	t.upper(mount, &tree.Node{Mode: 0o755}, "l/"+shortName(mount+"-init")+":"+lower)

	dir := "image/overlay2/layerdb/mounts/" + c.id
	t.directory(dir, 0o755)
	t.file(dir+"/mount-id", 0o644, mount)
	t.file(dir+"/init-id", 0o644, mount+"-init")
	t.file(dir+"/parent", 0o644, image.id.String())
	return nil
}

// upper writes a layer of a container for the storage driver.
func (t *storeWriter) upper(id string, diff *tree.Node, lower string) {
	dir := "overlay2/" + id
	t.directory(dir, 0o710)
	t.put(dir+"/diff", diff)
	t.directory(dir+"/work", 0o700)
	t.file(dir+"/lower", 0o644, lower)
	t.file(dir+"/link", 0o644, shortName(id))
	t.put("overlay2/l/"+shortName(id), &tree.Node{Type: tree.Symlink, Mode: 0o777, Target: "../" + id + "/diff"})
}
