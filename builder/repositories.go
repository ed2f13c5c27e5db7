package builder

import (
	"fmt"
	"os"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// repositories are those that the packages of an image are looked for in, besides that of its suite.
func repositories(r *recipes.Recipe) ([]debian.Repository, error) {
	var out []debian.Repository
	for _, from := range r.Repositories {
		if from.Use == "device" {
			continue
		}
		to, err := repository(r.Dir, from)
		if err != nil {
			return nil, err
		}
		out = append(out, to)
	}
	return out, nil
}

func repository(dir string, from recipes.Repository) (debian.Repository, error) {
	to := debian.Repository{Name: from.Name, URIs: from.URIs, Suites: from.Suites, Components: from.Components, Key: from.SignedBy}
	if from.SignedBy == "" {
		return to, nil
	}
	var err error
	if to.SHA256, err = Digest(layers.Locate(dir, from.SignedBy)); err != nil {
		return to, fmt.Errorf("keys of the repository %s: %w", from.Name, err)
	}
	return to, nil
}

// repositoryEntries are the files that name the repositories to the device, and the keys that sign them.
func repositoryEntries(r *recipes.Recipe) ([]layers.File, error) {
	var out []layers.File
	for _, from := range r.Repositories {
		if from.Use == "build" {
			continue
		}
		to, err := repository(r.Dir, from)
		if err != nil {
			return nil, err
		}
		keyring := debian.Keyring
		if to.Key != "" {
			keys, err := os.ReadFile(layers.Locate(r.Dir, to.Key))
			if err != nil {
				return nil, fmt.Errorf("keys of the repository %s: %w", from.Name, err)
			}
			keyring = "/etc/apt/keyrings/" + to.Name + debian.KeyExtension(keys)
			out = append(out, layers.File{Path: keyring, Type: "file", Mode: 0o644, Source: to.Key, SHA256: to.SHA256})
		}
		out = append(out, layers.File{Path: "/etc/apt/sources.list.d/" + to.Name + ".sources", Type: "file", Mode: 0o644,
			Content: to.Sources(keyring)})
	}
	return out, nil
}
