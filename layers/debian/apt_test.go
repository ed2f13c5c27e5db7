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

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/stretchr/testify/require"
)

// signedArchive is an archive of packages that exist by name only, signed with a key of its own.
type signedArchive struct {
	dir     string // what a mirror serves
	gnupg   string
	keyring string
	release string   // lines at the top of the Release file
	sign    []string // options of gpg for signing
}

func newArchive(t *testing.T) *signedArchive { return archiveOf(t, "never") }

// archiveOf is an archive whose key expires at a time.
func archiveOf(t *testing.T, expires string, options ...string) *signedArchive {
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
	a.gpg(t, append(options, "--passphrase", "", "--quick-generate-key", "archive@example.org", "ed25519", "sign", expires)...)
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
	a.gpg(t, append(a.sign, "--output", a.path("InRelease"), "--clearsign", a.path("Release"))...)
}

func (a *signedArchive) repository(mirror string) Repository {
	keys, _ := os.ReadFile(a.keyring) // one that is missing is an error later
	return Repository{Name: "test", URIs: []string{mirror}, Suites: []string{"test"}, Components: []string{"main"},
		Key: a.keyring, SHA256: sum(keys)}
}

func (a *signedArchive) apt(t *testing.T, mirror string) apt {
	t.Helper()
	out, err := apt{repositories: []Repository{a.repository(mirror)}, architecture: "arm64"}.in(t.TempDir())
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
			require.Equal(t, [][]Package{{want("library"), want("tool")}}, got)
		})
	}
}

// TestResolveOverOthers: what an earlier set has, or the tree below, stays at its version unless something needs a newer
// one, and is no part of a later set.
func TestResolveOverOthers(t *testing.T) {
	a := newArchive(t)
	a.publish(t, index("tool", "Depends: library"), index("library"), index("extra"),
		index("app", "Depends: extra | tool, library"), index("strict", "Depends: library (>= 1:2.0-1)"), index("rival", "Conflicts: tool"))
	older := strings.Replace(index("library", "Status: install ok installed"), "1:2.0-1", "1:1.0-1", 1)
	url := a.serve(t)
	names := func(sets [][]Package) (out []string) {
		for _, pkgs := range sets {
			var set []string
			for _, p := range pkgs {
				set = append(set, p.Name)
			}
			out = append(out, strings.Join(set, " "))
		}
		return out
	}
	for name, test := range map[string]struct {
		status     string
		sets       [][]string
		want       []string
		complaints string
	}{
		"one set":              {"", [][]string{{"tool", "app"}}, []string{"library tool app"}, ""},
		"two sets":             {"", [][]string{{"tool"}, {"app"}}, []string{"library tool", "app"}, ""},
		"none first":           {"", [][]string{{}, {"tool"}, {"app", "library"}}, []string{"", "library tool", "app"}, ""},
		"over a tree":          {older, [][]string{{"app"}}, []string{"extra app"}, ""},
		"over a tree twice":    {older, [][]string{{"tool"}, {"app"}}, []string{"tool", "app"}, ""},
		"newer than the trees": {older, [][]string{{"strict"}, {"app"}}, []string{"library strict", "extra app"}, ""},
		"all there":            {older, [][]string{{"library"}}, []string{""}, ""},
		"a conflict": {"", [][]string{{"tool"}, {"rival"}}, nil, "resolve the packages: packages conflict with packages of a layer below, which would have to be removed: " +
			"tool; remove these from the recipe, or the packages that conflict with them"},
	} {
		t.Run(name, func(t *testing.T) {
			r := a.apt(t, url)
			if test.status != "" {
				r.installed = inherited{aptStatus: []byte(test.status)}
			}
			got, err := r.resolve(t.Context(), test.sets...)
			if test.complaints != "" {
				require.EqualError(t, err, test.complaints)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, names(got))
		})
	}
}

func TestResolveErrors(t *testing.T) {
	a := newArchive(t)
	a.publish(t, index("tool", "Depends: library (>= 1:3)", "Suggests: ghost", "Provides: mail-agent"), index("library"), index("openssh-server"),
		index("either", "Conflicts: library"), index("agent", "Provides: mail-agent"),
		strings.Replace(index("only32"), "arm64", "armhf", 1), strings.Replace(index("only32"), "arm64", "armel", 1))
	r := a.apt(t, a.serve(t))
	tests := map[string]struct {
		names []string
		err   string
	}{
		"unknown": {[]string{"opensh-server", "qwertz", "library"}, "resolve the packages: " +
			"there is no package opensh-server in test (main); did you mean openssh-server?\nthere is no package qwertz in test (main)"},
		"another architecture": {[]string{"only32"}, "resolve the packages: package only32 is in test (main) for armel and armhf only, not for arm64"},
		"near one of another":  {[]string{"only3"}, "resolve the packages: there is no package only3 in test (main)"},
		"virtual":              {[]string{"mail-agent"}, "resolve the packages: package mail-agent is virtual; write one that provides it: agent, tool"},
		"known by name only":   {[]string{"ghost"}, "resolve the packages: there is no package ghost in test (main)"},
		"too old": {[]string{"tool"}, "resolve the packages: unmet dependencies:\n" +
			" tool : Depends: library (>= 1:3) but it is not "},
		"conflict": {[]string{"library", "either"}, "resolve the packages: unmet dependencies:\n" +
			" either : Conflicts: library but 1:2.0-1 is to be installed\nkeep one of the packages that conflict; one of an included recipe is left out with remove: {packages: [either]}"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := r.resolve(t.Context(), test.names)
			require.ErrorContains(t, err, test.err)
			require.NotContains(t, err.Error(), "did you mean only32")
		})
	}
}

func TestArchiveErrors(t *testing.T) {
	other := newArchive(t)
	signed := func(t *testing.T, a *signedArchive) { a.publish(t, index("tool")) }
	tests := map[string]struct {
		key    string // when it expires
		made   string // when it was made, as gpg reads it
		breaks func(t *testing.T, a *signedArchive)
		err    []string
	}{
		"unsigned": {"never", "", func(t *testing.T, a *signedArchive) {
			signed(t, a)
			require.NoError(t, os.Remove(a.path("InRelease")))
		}, []string{"test Release' is not signed.", "\nit was changed after it was signed, or never signed: use another mirror"}},
		"somebody else's key": {"never", "", func(t *testing.T, a *signedArchive) { signed(t, a); a.keyring = other.keyring },
			[]string{"NO_PUBKEY ", "test InRelease' is not signed.",
				"\nit is signed with a key that is not among those named for it: get its key from who runs it"}},
		"expired key": {"2020-02-01", "20200101T000000", func(t *testing.T, a *signedArchive) {
			a.sign = []string{"--faked-system-time", "20200102T000000"}
			signed(t, a)
		}, []string{"EXPKEYSIG ", "\nits key has expired: get the current one from who runs it"}},
		"expired signature": {"never", "20200101T000000", func(t *testing.T, a *signedArchive) {
			a.sign = []string{"--faked-system-time", "20200102T000000", "--default-sig-expire", "1d"}
			signed(t, a)
		}, []string{"EXPSIG ", "\nthe mirror is out of date, or this machine's clock is wrong: use another mirror"}},
		"expired": {"never", "", func(t *testing.T, a *signedArchive) {
			a.release += "Valid-Until: Sat, 01 Jan 2022 00:00:00 UTC\n"
			signed(t, a)
		}, []string{"is expired", "\nthe mirror is out of date, or this machine's clock is wrong: use another mirror"}},
		"bad signature": {"never", "", func(t *testing.T, a *signedArchive) {
			signed(t, a)
			a.edit(t, "InRelease", "Suite: test", "Suite: best")
		}, []string{"test InRelease' is not signed.", "\nit was changed after it was signed, or never signed: use another mirror"}},
		"another index": {"never", "", func(t *testing.T, a *signedArchive) {
			signed(t, a)
			require.NoError(t, os.WriteFile(a.path(packagesIndex), []byte(index("mool")), 0o644))
		}, []string{"Hash Sum mismatch", "\nthe mirror is broken or being updated: try again later, or use another one"}},
		"truncated index": {"never", "", func(t *testing.T, a *signedArchive) {
			signed(t, a)
			require.NoError(t, os.Truncate(a.path(packagesIndex), 20))
		}, []string{"File has unexpected size", "\nthe mirror is broken or being updated: try again later, or use another one"}},
		"no suite": {"never", "", func(*testing.T, *signedArchive) {},
			[]string{"test Release' does not have a Release file.", "\nare its URL and suite right?"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var options []string
			if test.made != "" {
				options = []string{"--faked-system-time", test.made}
			}
			a := archiveOf(t, test.key, options...)
			test.breaks(t, a)
			url := a.serve(t)
			_, err := a.apt(t, url).resolve(t.Context(), []string{"tool"})
			require.ErrorContains(t, err, "read the package lists of test ("+url+" test): ")
			for _, text := range test.err {
				require.ErrorContains(t, err, text)
			}
		})
	}
}

func (a *signedArchive) edit(t *testing.T, name, from, to string) {
	t.Helper()
	text, err := os.ReadFile(a.path(name))
	require.NoError(t, err)
	require.Contains(t, string(text), from)
	require.NoError(t, os.WriteFile(a.path(name), []byte(strings.Replace(string(text), from, to, 1)), 0o644))
}

func TestArchiveWithoutKeys(t *testing.T) {
	a := newArchive(t)
	r := a.apt(t, a.serve(t))
	require.NoError(t, os.WriteFile(a.keyring, []byte("other"), 0o644))
	_, err := r.resolve(t.Context(), []string{"tool"})
	require.EqualError(t, err, "keys of the repository test: "+a.keyring+" has another digest than in the plan")
	require.NoError(t, os.Remove(a.keyring))
	_, err = r.resolve(t.Context(), []string{"tool"})
	require.EqualError(t, err, "keys of the repository test: open "+a.keyring+": no such file or directory")
}

const isItUp = "\nis it up? PKBUILD_MIRROR or the recipe's mirror names another one"

func TestArchiveThatDoesNotAnswer(t *testing.T) {
	a := newArchive(t)
	down := httptest.NewServer(nil)
	down.Close()
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(slow.Close)
	for url, says := range map[string]string{down.URL: "Connection refused", slow.URL: "Connection timed out"} {
		t.Run(says, func(t *testing.T) {
			t.Parallel() // apt's patience is most of it
			r := a.apt(t, url)
			r.timeout = time.Second
			_, err := r.resolve(t.Context(), []string{"tool"})
			require.ErrorContains(t, err, "read the package lists of test ("+url+" test): ")
			require.ErrorContains(t, err, says)
			require.ErrorContains(t, err, isItUp)
		})
	}
}

// TestRepositories takes packages from two repositories with keys of their own, in either form, and says which of them
// is broken.
func TestRepositories(t *testing.T) {
	one, two := newArchive(t), newArchive(t)
	armored := filepath.Join(t.TempDir(), "two.asc")
	two.gpg(t, "--armor", "--output", armored, "--export")
	two.keyring = armored
	one.publish(t, index("tool", "Depends: library"))
	two.publish(t, index("library"))
	first, second := one.repository(one.serve(t)), two.repository(two.serve(t))
	second.Name = "second"
	a, err := apt{repositories: []Repository{first, second}, architecture: "arm64"}.in(t.TempDir())
	require.NoError(t, err)
	got, err := a.resolve(t.Context(), []string{"tool"})
	require.NoError(t, err)
	require.Len(t, got[0], 2)

	_, err = a.resolve(t.Context(), []string{"tol"})
	require.EqualError(t, err, "resolve the packages: there is no package tol in test (main) and test (main); did you mean tool?")

	two.edit(t, "InRelease", "Codename", "Nickname")
	a, err = a.in(t.TempDir()) // HTTP's times are whole seconds: a list of the same second is not asked for again
	require.NoError(t, err)
	_, err = a.resolve(t.Context(), []string{"tool"})
	require.ErrorContains(t, err, "read the package lists of second ("+second.URIs[0]+" test): ")
	require.NotContains(t, err.Error(), first.URIs[0])
}
