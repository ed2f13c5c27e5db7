package images

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"go.podman.io/image/v5/docker/reference"
)

// DockerRoot is the default data directory of Docker.
const DockerRoot = "/var/lib/docker"

// AddDigests adds the names with digests of a record's imported images to Docker's table of names on the disk, and returns
// how many it added. `docker load` accepts tags only, and Docker adds a digest only when it pulls, but stages name images by
// digest. Docker must not run, since it reads the table only when it starts.
func AddDigests(r Record) (linked int, err error) {
	root := r.Root
	if root == "" {
		root = DockerRoot
	}
	dir := filepath.Join(root, "image", "overlay2")
	table := filepath.Join(dir, "repositories.json")
	names, err := readNames(table)
	if err != nil {
		return 0, err
	}
	for _, k := range r.Images {
		name, canonical, err := canonical(k.Name)
		if err != nil || canonical == "" || k.ID == "" || names.has(name, canonical) || !isStored(dir, k.ID) {
			continue // no digest, or in the table already, or the image is gone
		}
		names.enter(name, canonical, k.ID)
		linked++
	}
	if linked == 0 {
		return 0, nil
	}
	data, err := json.Marshal(names)
	if err != nil {
		return 0, err
	}
	return linked, atomicfile.Write(table, data, 0o600)
}

// names is Docker's table: by repository, the image IDs by name with tag or digest.
type names struct {
	Repositories map[string]map[string]string
}

func readNames(table string) (n names, err error) {
	data, err := os.ReadFile(table)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return n, err
	}
	if err == nil {
		if err := json.Unmarshal(data, &n); err != nil {
			return n, fmt.Errorf("parse %s: %w", table, err)
		}
	}
	if n.Repositories == nil {
		n.Repositories = map[string]map[string]string{}
	}
	return n, nil
}

func (n names) has(name, canonical string) bool {
	_, known := n.Repositories[name][canonical]
	return known
}

func (n names) enter(name, canonical, id string) {
	if n.Repositories[name] == nil {
		n.Repositories[name] = map[string]string{}
	}
	n.Repositories[name][canonical] = id
}

// isStored reports whether Docker has the configuration of an image.
func isStored(dir, id string) bool {
	hex, ok := strings.CutPrefix(id, "sha256:")
	_, err := os.Stat(filepath.Join(dir, "imagedb", "content", "sha256", filepath.Base(hex)))
	return ok && err == nil
}

// canonical returns the repository of an image, and that with its digest, both as Docker abbreviates them. The second is
// empty if the name has no digest.
func canonical(full string) (name, digested string, err error) {
	named, err := reference.ParseNormalizedNamed(full)
	if err != nil {
		return "", "", err
	}
	name = reference.FamiliarName(named)
	if c, ok := named.(reference.Canonical); ok {
		digested = name + "@" + c.Digest().String()
	}
	return name, digested, nil
}

// key returns what Docker looks up for a name: a tag beside a digest is ignored.
func key(full string) string {
	if _, digested, err := canonical(full); err == nil && digested != "" {
		return digested
	}
	return full
}
