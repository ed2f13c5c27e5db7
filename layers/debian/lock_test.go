package debian

import (
	"net/http"
	"net/http/httptest"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/download"
	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
)

func TestPlacesOnMirrors(t *testing.T) {
	for _, test := range []struct{ mirror, url, relative string }{
		{"http://m.example/debian", "http://m.example/debian/pool/a.deb", "pool/a.deb"},
		{"http://m.example/debian/", "http://m.example/debian/pool/a.deb", "pool/a.deb"},
		{"file:///srv/m", "file:/srv/m/pool/a.deb", "pool/a.deb"},
		{"http://m.example/debian", "http://m.example/debian-security/pool/a.deb", "http://m.example/debian-security/pool/a.deb"},
		{"http://m.example/debian", "https://vendor.example/a.deb", "https://vendor.example/a.deb"},
	} {
		got := relative(test.mirror, test.url)
		require.Equal(t, test.relative, got)
		there := Package{URL: got}.from("http://other.example/debian/").URL
		if got == test.url {
			require.Equal(t, test.url, there)
		} else {
			require.Equal(t, "http://other.example/debian/pool/a.deb", there)
		}
	}
}

// TestMirrorWithoutWhatTheLockNames: superseded versions go from mirrors.
func TestMirrorWithoutWhatTheLockNames(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(gone.Close)
	pkg := Package{Name: "vim", Version: "2:9", Architecture: "all", URL: "pool/vim.deb", SHA256: digest, Size: 1}
	l := Layer{Architecture: sandbox.Host(), Suite: "trixie", Lock: &Lock{Packages: []Package{pkg}}}
	dir := t.TempDir()
	for mirror, reason := range map[string]string{
		gone.URL:        "server answered 404 Not Found",
		"file://" + dir: "open " + dir + "/debian/pool/vim.deb: no such file or directory",
	} {
		b := &build{layer: l, env: &layers.Env{Mirror: mirror + "/debian"}, pool: testPool(t)}
		require.EqualError(t, b.fetch(t.Context()), "download vim 2:9 (all) from "+mirror+"/debian/pool/vim.deb: "+reason+
			": the archive no longer has the package that the lock names; lock the recipe anew, or use a mirror that keeps all versions, such as snapshot.debian.org")
	}
}

// TestLockWithoutNetwork: what the cache lacks is named.
func TestLockWithoutNetwork(t *testing.T) {
	mirror := newMirror(t)
	there, missing := mirror.pkg(), mirror.pkg()
	missing.Name, missing.SHA256 = "vim", digest
	p := testPool(t)
	p.fetched(t, there)
	mirror.Close()
	l := Layer{Architecture: sandbox.Host(), Suite: "trixie", Lock: &Lock{Packages: []Package{there, missing}}}
	b := &build{layer: l, env: &layers.Env{Mirror: mirror.URL}, pool: p}
	err := b.fetch(t.Context())
	require.ErrorContains(t, err, "download vim 1 (all) from "+missing.URL+": Get ")
	require.ErrorContains(t, err, "connection refused (3 attempts): the file is not in the cache, so it has to be downloaded: "+
		"is the network up, and the mirror? PKBUILD_MIRROR or the recipe's mirror names another one")
}

func TestLockWithoutToolsForThisMachine(t *testing.T) {
	l := testLayer()
	l.Lock = &Lock{Tools: []Package{{Name: "dash", Architecture: "riscv64"}}}
	b := &build{layer: l, env: &layers.Env{}, pool: testPool(t)}
	require.EqualError(t, b.fetch(t.Context()),
		"the lock has no tools for this machine's architecture "+sandbox.Host()+": run pkbuild lock again")
}

// small mounts a file system of a size over a new directory.
func small(t *testing.T, size string) string {
	t.Helper()
	needs.Root(t)
	dir := t.TempDir()
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size))
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	return dir
}

func TestFullDiskBelowThePool(t *testing.T) {
	m := newMirror(t)
	p := pool{small(t, "16k"), 1, download.Retry{Attempts: 3, Backoff: time.Hour, StallTimeout: time.Minute}}
	err := p.fetch(t.Context(), []Package{m.pkg()}, func(Package, bool) {})
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "download a 1 (all) from "+m.URL+"/a_1_all.deb: write "+p.path(m.pkg())+".part")
	require.NoFileExists(t, p.path(m.pkg()))
	require.Len(t, m.ranges, 1, "another attempt makes no room")

	require.NoError(t, syscall.Mount("tmpfs", p.dir, "tmpfs", syscall.MS_REMOUNT, "size=1m"))
	p.fetched(t, m.pkg())
}

func TestFullDiskBelowTheLists(t *testing.T) {
	a := newArchive(t)
	var many []string
	for range 3000 {
		many = append(many, index("tool"))
	}
	a.publish(t, many...)
	url := a.serve(t)
	r, err := apt{repositories: []Repository{a.repository(url)}, architecture: "arm64"}.in(small(t, "200k"))
	require.NoError(t, err)
	_, err = r.resolve(t.Context(), []string{"tool"})
	require.ErrorContains(t, err, "read the package lists of test ("+url+" test): ")
	require.ErrorContains(t, err, "\nmake room, for example by pkbuild cache prune --keep-bytes 1GiB")
}

// TestResolveWithRepositories pins packages of Debian's archive and of a repository beside it, for any mirror.
func TestResolveWithRepositories(t *testing.T) {
	env := *testEnv(t)
	env.Cache = t.TempDir()
	a := newArchive(t)
	a.publish(t, index("instrument", "Depends: dash"))
	l := testLayer()
	if l.Architecture != "arm64" {
		t.Skip("the packages of the test's archive are of arm64")
	}
	l.Repositories = []Repository{a.repository(a.serve(t))}
	l.Packages = []string{"instrument"}
	locks, err := Resolve(t.Context(), &env, nil, l)
	require.NoError(t, err)
	lock := locks[0]
	byName := map[string]Package{}
	for i, p := range lock.Packages {
		byName[p.Name] = p
		require.True(t, i == 0 || lock.Packages[i-1].Name <= p.Name, "the order is that of the names")
	}
	require.Equal(t, l.Repositories[0].URIs[0]+"/pool/instrument_2.0-1_arm64.deb", byName["instrument"].URL)
	require.Regexp(t, "^pool/main/d/dash/dash_", byName["dash"].URL)
	for _, p := range lock.Tools {
		require.Contains(t, []string{"all", counterpart[l.Architecture]}, p.Architecture)
	}
	entries, err := os.ReadDir(env.Cache)
	require.NoError(t, err)
	require.Len(t, entries, 1, "lists alone are fetched")
}
