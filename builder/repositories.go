package builder

import (
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// repositories returns the repositories that the build takes packages from, besides the suite's own archive.
func (s *Sources) repositories() []debian.Repository {
	var out []debian.Repository
	for _, from := range s.Recipe.Repositories {
		if from.Use != "device" {
			out = append(out, s.repository(from))
		}
	}
	return out
}

func (s *Sources) repository(from recipes.Repository) debian.Repository {
	to := debian.Repository{Name: from.Name, URIs: from.URIs, Suites: from.Suites, Components: from.Components, Key: from.SignedBy}
	if from.SignedBy != "" {
		to.SHA256 = s.files[from.SignedBy][0].sha256
	}
	return to
}

// repositoryFiles returns apt's configuration of the repositories on the device, with their signing keys.
func (s *Sources) repositoryFiles() []layers.File {
	var out []layers.File
	for _, from := range s.Recipe.Repositories {
		if from.Use == "build" {
			continue
		}
		to := s.repository(from)
		keyring := debian.Keyring
		if to.Key != "" {
			keys := s.keys[to.Key]
			keyring = "/etc/apt/keyrings/" + to.Name + debian.KeyExtension([]byte(keys))
			file := layers.File{Path: keyring, Type: "file", Mode: 0o644, Source: to.Key, SHA256: to.SHA256}
			if keys != s.texts[to.Key] {
				file.Source, file.SHA256, file.Content = "", "", keys
			}
			out = append(out, file)
		}
		out = append(out, layers.File{Path: "/etc/apt/sources.list.d/" + to.Name + ".sources", Type: "file", Mode: 0o644,
			Content: to.Sources(keyring)})
	}
	return out
}
