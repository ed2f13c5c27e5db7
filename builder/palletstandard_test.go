package builder

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/recipes"
	"github.com/PlanktoScope/pkbuild/stages"
)

// sharedFile is the path of a file or directory that lies beside the repository.
func sharedFile(t *testing.T, name string) string {
	t.Helper()
	name, err := filepath.Abs(filepath.Join("../../shared", name))
	require.NoError(t, err)
	if _, err := os.Stat(name); err != nil {
		if os.Getenv("PKBUILD_TEST_STRICT") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return name
}

// golden is what find -printf '%y %m %s %P\t%l\n' printed below a directory of a bundle of Forklift's, without sizes:
// some contents here are placeholders. Entries are by path below the directory.
func golden(t *testing.T, name, below string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	all := map[string]string{}
	for l := range strings.Lines(string(data)) {
		entry, target, _ := strings.Cut(strings.TrimSuffix(l, "\n"), "\t")
		fields := strings.SplitN(entry, " ", 4)
		if name, ok := strings.CutPrefix(fields[3], below); ok && name != "" {
			all[name] = strings.TrimSpace(fields[0] + " " + fields[1] + " " + target)
		}
	}
	require.NotEmpty(t, all)
	return all
}

// standard is the PlanktoScope's pallet, with links where the copy beside the repository has their text instead.
func standard(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.CopyFS(dir, os.DirFS(sharedFile(t, "pallets/pallet-standard"))))
	for name, entry := range golden(t, sharedFile(t, "golden/pallet-standard/bundle-tree.txt"), "./pallet/") {
		if target, link := strings.CutPrefix(entry, "l 777 "); link {
			require.NoError(t, os.Remove(filepath.Join(dir, name)))
			require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
		}
	}
}

// TestImageWithTheStandardPallet compiles a recipe with the PlanktoScope's own pallet: what its stage exports is what
// Forklift exports. The one image that it takes a program from is a stand-in.
func TestImageWithTheStandardPallet(t *testing.T) {
	dir := t.TempDir()
	standard(t, filepath.Join(dir, "pallet"))
	ociLayout(t, filepath.Join(dir, "images"), "0.1.3", "machine-name", "#!/bin/sh\n")
	put(t, dir, map[string]string{"pi.yml": "name: pi\nbase: {debian: {suite: trixie}}\n" +
		"mirrors: {ghcr.io/planktoscope/machine-name: 'oci:" + dir + "/images'}\nlayers: [{stage: {pallet: pallet}}]\n"})
	r, err := recipes.Load(filepath.Join(dir, "pi.yml"), recipes.Options{})
	require.NoError(t, err)
	cache := t.TempDir()
	p, err := Compile(t.Context(), r, Inputs{Programs: programs, Cache: cache})
	require.NoError(t, err)
	tree, err := p.Layers[1].Layer.Make(t.Context(), &layers.Env{Dir: r.Dir, Cache: cache}, nil)
	require.NoError(t, err)
	got := map[string]string{}
	for name, n := range tree.Sub(stages.Dir + "/1/exports").Walk() {
		if name != "" {
			got[name] = entryOf(n)
		}
	}
	require.Equal(t, golden(t, sharedFile(t, "golden/pallet-standard/exports-tree.txt"), ""), got)
}

func entryOf(n *layers.Node) string {
	kind := map[layers.Type]string{layers.Regular: "f", layers.Directory: "d", layers.Symlink: "l"}[n.Type]
	return strings.TrimSpace(fmt.Sprintf("%s %o %s", kind, n.Mode, n.Target))
}
