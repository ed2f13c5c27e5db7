package debian

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// TestInstallsMore does in a finished tree what its user will: installs one more package with the tree's own apt, and
// has that package, which is debsums, check every file of all of them.
func TestInstallsMore(t *testing.T) {
	t.Parallel()
	env := testEnv(t)
	foreign := testLayer()
	native := foreign
	native.Architecture = sandbox.Host()
	for _, l := range []Layer{native, foreign} {
		t.Run(l.Architecture, func(t *testing.T) {
			env, l := *env, l
			env.Scratch = t.TempDir()
			l.Packages = []string{"ca-certificates"}
			tree, err := l.Make(t.Context(), &env, nil)
			require.NoError(t, err)
			l.Packages = append(l.Packages, "debsums")
			s := sandbox.Sandbox{Dir: t.TempDir(), Architecture: l.Architecture, Date: date, Tree: tree,
				Tools: repository(t, &env, l), Free: sandbox.Available()}
			var said []string
			changes, err := s.Run(t.Context(), func(line string) { said = append(said, line) }, "/bin/sh", "-ec", `
				apt-get update
				apt-get install --yes debsums
				apt-get check
				apt-get --simulate autoremove
				echo -- checks
				dpkg --audit
				debsums --all --silent
			`)
			require.NoError(t, err)
			require.NotNil(t, changes.Get("usr/bin/debsums"))
			text := strings.Join(said, "\n")
			require.Contains(t, text, "0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.")
			require.True(t, strings.HasSuffix(text, "-- checks"), text)
		})
	}
}

// repository is a tree with an archive of the packages of a layer, as the only one that the tree's apt knows.
func repository(t *testing.T, env *layers.Env, l Layer) *tree.Tree {
	t.Helper()
	const dir = "usr/lib/pkbuild/archive"
	p := newPool(filepath.Join(env.Cache, "debs"))
	packages := baseLock(t, env, l).Packages
	for i := range packages {
		packages[i] = packages[i].from(env.Mirror)
	}
	require.NoError(t, p.fetch(t.Context(), packages, func(Package, bool) {}))
	w := recorder{tree: tree.New(), at: date}
	var index strings.Builder
	for _, pkg := range packages {
		d, err := p.open(t.Context(), pkg)
		require.NoError(t, err)
		f, err := os.Open(p.path(pkg))
		require.NoError(t, err)
		t.Cleanup(func() { _ = f.Close() })
		name := pkg.SHA256 + ".deb"
		w.put(dir+"/"+name, &tree.Node{Type: tree.Regular, Mode: 0o644, Content: tree.Content{ReaderAt: f, Size: pkg.Size}})
		fmt.Fprintf(&index, "%s\nFilename: ./%s\nSize: %d\nSHA256: %s\n\n", strings.TrimSpace(d.text), name, pkg.Size, pkg.SHA256)
	}
	w.file(dir+"/Packages", index.String())
	w.file("etc/apt/sources.list.d/debian.sources", "Types: deb\nURIs: file:/"+dir+"\nSuites: ./\nTrusted: yes\n")
	require.NoError(t, w.err)
	return w.tree
}
