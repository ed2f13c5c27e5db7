package debian

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/layers"
)

// Repository is a Debian package repository. Its fields are those of sources.list(5) in deb822 style.
type Repository struct {
	Name       string   `json:"name"`
	URIs       []string `json:"uris"`
	Suites     []string `json:"suites"`
	Components []string `json:"components,omitempty"` // none where the suite is a path that ends with a slash
	// Key is the file with the public keys of the repository, armored or not, relative to Env.Dir, and SHA256 its digest.
	// If it is "", Debian's keys are used.
	Key    string `json:"key,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

// Keyring is the file with the keys of Debian's archive, on Debian and Ubuntu.
const Keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Sources returns the repository in deb822 format for a file in /etc/apt/sources.list.d; keyring is the path of its
// keys.
func (r Repository) Sources(keyring string) string {
	text := fmt.Sprintf("Types: deb\nURIs: %s\nSuites: %s\n", strings.Join(r.URIs, " "), strings.Join(r.Suites, " "))
	if len(r.Components) > 0 {
		text += "Components: " + strings.Join(r.Components, " ") + "\n"
	}
	return text + "Signed-By: " + keyring + "\n"
}

// KeyExtension returns the file name extension that apt expects for keys: ".asc" if they are armored, else ".gpg".
func KeyExtension(keys []byte) string {
	if bytes.Contains(keys, []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----")) {
		return ".asc"
	}
	return ".gpg"
}

// keyring returns a file with the keys of a repository for apt on the building machine: a copy with the expected digest.
func (a apt) keyring(r Repository) (string, error) {
	if r.Key == "" {
		if _, err := os.Stat(Keyring); err != nil {
			return "", fmt.Errorf("keys of Debian's archive: %w (install the package debian-archive-keyring)", err)
		}
		return Keyring, nil
	}
	name := layers.Locate(a.recipe, r.Key)
	keys, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("keys of the repository %s: %w", r.Name, err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(keys)); sum != r.SHA256 {
		return "", fmt.Errorf("keys of the repository %s: %s has another digest than in the plan", r.Name, name)
	}
	if keys, err = ParseKeys(keys); err != nil {
		return "", fmt.Errorf("keys of the repository %s: %s %w", r.Name, name, err)
	}
	to := filepath.Join(a.dir, "keys", r.SHA256+KeyExtension(keys))
	return to, atomicfile.Write(to, keys, 0o644)
}
