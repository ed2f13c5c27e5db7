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

// DockerRoot is the directory of Docker's data, unless the record has another one.
const DockerRoot = "/var/lib/docker"

// Link tells Docker the digests by which stages name images that came in a file: `docker load` takes tags only, and only
// pulling gives an image its digest, by which Compose looks for it. They are entered in Docker's own table of names,
// where Docker reads them when it starts; it must not run. It returns how many were entered.
func Link(r Record) (linked int, err error) {
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
		if err != nil || canonical == "" || k.ID == "" || names.has(name, canonical) || !there(dir, k.ID) {
			continue // it has no digest, Docker knows it, or the image is gone
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

// names is Docker's table: IDs by name with tag or digest, by name.
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

// there tells whether Docker has the configuration of an image.
func there(dir, id string) bool {
	hex, ok := strings.CutPrefix(id, "sha256:")
	_, err := os.Stat(filepath.Join(dir, "imagedb", "content", "sha256", filepath.Base(hex)))
	return ok && err == nil
}

// canonical is an image's name without tag and digest, and with its digest only, both as Docker shortens them. The second
// is empty where there is no digest.
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

// key is what Docker takes an image's name for: of a tag and a digest only the digest counts.
func key(full string) string {
	if _, digested, err := canonical(full); err == nil && digested != "" {
		return digested
	}
	return full
}
