package builder

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// archive is a package repository with its own signing key, in a directory.
type archive struct {
	dir   string
	index string
}

func newArchive(t *testing.T) *archive {
	return &archive{dir: t.TempDir()}
}

// add adds a package with control files and files.
func (a *archive) add(t *testing.T, name, fields string, files map[string]string) {
	t.Helper()
	tree := t.TempDir()
	control := "Package: " + name + "\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody\nDescription: test\n" + fields
	files["DEBIAN/control"] = control
	for path, content := range files {
		path = filepath.Join(tree, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o755))
	}
	deb := filepath.Join(a.dir, name+"_1.0_all.deb")
	command(t, "dpkg-deb", "--build", "--root-owner-group", "-Zgzip", tree, deb)
	data, err := os.ReadFile(deb)
	require.NoError(t, err)
	a.index += fmt.Sprintf("%sFilename: %s\nSize: %d\nSHA256: %x\n\n", control, filepath.Base(deb), len(data), sha256.Sum256(data))
}

// publish signs the archive, and returns the public key.
func (a *archive) publish(t *testing.T) (key []byte) {
	t.Helper()
	release := fmt.Sprintf("Suite: ./\nDate: %s\nSHA256:\n %x %d Packages\n", time.Now().UTC().Format(time.RFC1123),
		sha256.Sum256([]byte(a.index)), len(a.index))
	require.NoError(t, os.WriteFile(filepath.Join(a.dir, "Packages"), []byte(a.index), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(a.dir, "Release"), []byte(release), 0o644))
	home, err := os.MkdirTemp("", "gpg") // short, as gpg puts sockets in it
	require.NoError(t, err)
	defer func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		require.NoError(t, os.RemoveAll(home))
	}()
	gpg := func(args ...string) {
		command(t, "gpg", append([]string{"--homedir", home, "--batch", "--yes", "--pinentry-mode", "loopback"}, args...)...)
	}
	gpg("--passphrase", "", "--quick-generate-key", "archive@example.org", "ed25519", "sign", "never")
	gpg("--output", filepath.Join(a.dir, "InRelease"), "--clearsign", filepath.Join(a.dir, "Release"))
	gpg("--output", filepath.Join(a.dir, "key"), "--export")
	key, err = os.ReadFile(filepath.Join(a.dir, "key"))
	require.NoError(t, err)
	return key
}

// sources returns the archive in the format of sources.list(5).
func (a *archive) sources(keyring string) string {
	return fmt.Sprintf("Types: deb\nURIs: file://%s\nSuites: ./\nSigned-By: %s\n", a.dir, keyring)
}

// command runs a program, which must exit with 0.
func command(t *testing.T, name string, args ...string) {
	t.Helper()
	out, err := exec.Command(needs.Program(t, name), args...).CombinedOutput()
	require.NoError(t, err, "%s %s: %s", name, strings.Join(args, " "), out)
}
