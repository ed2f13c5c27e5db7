package debian

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/internal/needs"
	"github.com/stretchr/testify/require"
)

// signedArchive is an archive of packages that exist by name only, signed with a key of its own.
type signedArchive struct {
	dir     string // what a mirror serves
	gnupg   string
	keyring string
	release string // lines at the top of the Release file
}

func newArchive(t *testing.T) *signedArchive {
	t.Helper()
	needs.Program(t, "gpg")
	needs.Program(t, "apt-get")
	gnupg, err := os.MkdirTemp("", "gpg") // short, as gpg puts sockets in it
	require.NoError(t, err)
	a := &signedArchive{dir: t.TempDir(), gnupg: gnupg, release: "Suite: test\nCodename: test\n"}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", gnupg, "--kill", "all").Run()
		require.NoError(t, os.RemoveAll(gnupg))
	})
	a.gpg(t, "--passphrase", "", "--quick-generate-key", "archive@example.org", "ed25519", "sign", "never")
	a.keyring = filepath.Join(t.TempDir(), "keyring.gpg")
	a.gpg(t, "--output", a.keyring, "--export")
	return a
}

func (a *signedArchive) gpg(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("gpg", append([]string{"--homedir", a.gnupg, "--batch", "--yes", "--pinentry-mode", "loopback"}, args...)...).CombinedOutput()
	require.NoError(t, err, string(out))
}

func (a *signedArchive) path(name string) string { return filepath.Join(a.dir, "dists/test", name) }

const packagesIndex = "main/binary-arm64/Packages"

// publish writes the index of packages and signs it.
func (a *signedArchive) publish(t *testing.T, stanzas ...string) {
	t.Helper()
	index := strings.Join(stanzas, "\n")
	require.NoError(t, os.MkdirAll(filepath.Dir(a.path(packagesIndex)), 0o755))
	require.NoError(t, os.WriteFile(a.path(packagesIndex), []byte(index), 0o644))
	release := a.release + "Date: " + time.Now().UTC().Format(time.RFC1123) + "\nArchitectures: arm64\nComponents: main\nSHA256:\n" +
		fmt.Sprintf(" %s %d %s\n", sum([]byte(index)), len(index), packagesIndex)
	require.NoError(t, os.WriteFile(a.path("Release"), []byte(release), 0o644))
	a.gpg(t, "--output", a.path("InRelease"), "--clearsign", a.path("Release"))
}

func (a *signedArchive) repository(mirror string) Repository {
	keys, _ := os.ReadFile(a.keyring) // one that is missing is an error later
	return Repository{Name: "test", URIs: []string{mirror}, Suites: []string{"test"}, Components: []string{"main"},
		Key: a.keyring, SHA256: sum(keys)}
}

func (a *signedArchive) apt(t *testing.T, mirror string) apt {
	t.Helper()
	out, err := newApt(t.TempDir(), "", []Repository{a.repository(mirror)}, "arm64")
	require.NoError(t, err)
	return out
}

func (a *signedArchive) serve(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.FileServer(http.Dir(a.dir)))
	t.Cleanup(s.Close)
	return s.URL
}

func index(name string, lines ...string) string {
	return fmt.Sprintf("Package: %[1]s\nVersion: 1:2.0-1\nArchitecture: arm64\nMaintainer: nobody\nFilename: pool/%[1]s_2.0-1_arm64.deb\n"+
		"Size: 10\nSHA256: %[2]s\n%[3]s", name, digest, strings.Join(append(lines, ""), "\n"))
}

func TestResolve(t *testing.T) {
	a := newArchive(t)
	a.publish(t, index("tool", "Depends: library", "Recommends: extra"), index("library", "Essential: yes"), index("extra"))
	for name, url := range map[string]string{"http": a.serve(t), "file": "file://" + a.dir} {
		t.Run(name, func(t *testing.T) {
			got, err := a.apt(t, url).resolve(t.Context(), []string{"?essential", "tool"})
			require.NoError(t, err)
			want := func(name string) Package {
				return Package{Name: name, Version: "1:2.0-1", Architecture: "arm64", SHA256: digest, Size: 10,
					URL: strings.Replace(url, "file://", "file:", 1) + "/pool/" + name + "_2.0-1_arm64.deb"}
			}
			require.Equal(t, []Package{want("library"), want("tool")}, got)
		})
	}
}

func TestResolveErrors(t *testing.T) {
	a := newArchive(t)
	a.publish(t, index("tool", "Depends: library (>= 1:3)", "Suggests: ghost"), index("library"), index("openssh-server"),
		index("either", "Conflicts: library"))
	r := a.apt(t, a.serve(t))
	tests := map[string]struct {
		names []string
		err   string
	}{
		"unknown": {[]string{"opensh-server", "qwertz", "library"}, "resolve the packages: " +
			"there is no package opensh-server in test (main); did you mean openssh-server?\nthere is no package qwertz in test (main)"},
		"known by name only": {[]string{"ghost"}, "resolve the packages: there is no package ghost in test (main)"},
		"too old": {[]string{"tool"}, "resolve the packages: unmet dependencies:\n" +
			" tool : Depends: library (>= 1:3) but it is not "},
		"conflict": {[]string{"library", "either"}, "resolve the packages: unmet dependencies:\n" +
			" either : Conflicts: library"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := r.resolve(t.Context(), test.names)
			require.ErrorContains(t, err, test.err)
		})
	}
}

func TestArchiveErrors(t *testing.T) {
	other := newArchive(t)
	tests := map[string]struct {
		break_ func(t *testing.T, a *signedArchive)
		err    string
	}{
		"unsigned": {func(t *testing.T, a *signedArchive) { require.NoError(t, os.Remove(a.path("InRelease"))) },
			"test Release' is not signed."},
		"somebody else's key": {func(_ *testing.T, a *signedArchive) { a.keyring = other.keyring },
			"test InRelease' is not signed."},
		"expired": {func(t *testing.T, a *signedArchive) {
			a.release += "Valid-Until: Sat, 01 Jan 2022 00:00:00 UTC\n"
			a.publish(t, index("tool"))
		}, "is expired"},
		"changed after it was signed": {func(t *testing.T, a *signedArchive) {
			text, err := os.ReadFile(a.path("InRelease"))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(a.path("InRelease"), []byte(strings.Replace(string(text), "Suite: test", "Suite: best", 1)), 0o644))
		}, "test InRelease' is not signed."},
		"another index": {func(t *testing.T, a *signedArchive) {
			require.NoError(t, os.WriteFile(a.path(packagesIndex), []byte(index("mool")), 0o644))
		}, "Hash Sum mismatch"},
		"truncated index": {func(t *testing.T, a *signedArchive) { require.NoError(t, os.Truncate(a.path(packagesIndex), 20)) },
			"File has unexpected size"},
		"no suite": {func(t *testing.T, a *signedArchive) { require.NoError(t, os.RemoveAll(a.path(""))) },
			"test Release' does not have a Release file."},
		"no keyring": {func(_ *testing.T, a *signedArchive) { a.keyring = "/nowhere/keyring.gpg" },
			"keys of the repository test: open /nowhere/keyring.gpg: no such file or directory"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t)
			a.publish(t, index("tool"))
			test.break_(t, a)
			_, err := a.apt(t, a.serve(t)).resolve(t.Context(), []string{"tool"})
			require.ErrorContains(t, err, test.err)
			t.Log(err)
		})
	}
	t.Run("down", func(t *testing.T) {
		a := newArchive(t)
		s := httptest.NewServer(nil)
		s.Close()
		_, err := a.apt(t, s.URL).resolve(t.Context(), []string{"tool"})
		require.ErrorContains(t, err, "read the package lists of test ("+s.URL+" test): ")
		require.ErrorContains(t, err, "Connection refused")
		t.Log(err)
	})
}

func TestNearest(t *testing.T) {
	known := []string{"vim", "vim-tiny", "openssh-server", "openssh-client", "w3m"}
	for name, want := range map[string]string{
		"openssh-servr": "openssh-server", "vi": "", "vmi": "", "vimm": "vim", "w3n": "w3m", "qwertz": "", "": "",
	} {
		require.Equal(t, want, nearest(name, known), name)
	}
}
