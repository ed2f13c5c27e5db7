package builder

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/tree"
	"github.com/PlanktoScope/pkbuild/recipes"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/pallet/pallettest"
)

// TestImageWithTheStandardPallet compares the exports of the PlanktoScope's own pallet with those of Forklift. The image
// of one program is a stand-in.
func TestImageWithTheStandardPallet(t *testing.T) {
	dir := t.TempDir()
	pallettest.Standard(t, filepath.Join(dir, "pallet"))
	ociLayout(t, filepath.Join(dir, "images"), "0.1.3", "machine-name", "#!/bin/sh\n")
	put(t, dir, map[string]string{"pi.yml": "name: pi\nbase: {debian: {suite: trixie}}\n" +
		"mirrors: {ghcr.io/planktoscope/machine-name: 'oci:" + dir + "/images'}\nlayers: [{stage: {pallet: pallet, starter: other}}]\n"})
	r, err := recipes.Load(filepath.Join(dir, "pi.yml"), recipes.Options{})
	require.NoError(t, err)
	cache := t.TempDir()
	p, err := compile(t, r, GatherOptions{Cache: cache})
	require.NoError(t, err)
	tree, err := p.Layers[1].Layer.Make(t.Context(), &layers.Env{Dir: r.Dir, Cache: cache}, nil)
	require.NoError(t, err)
	got := map[string]string{}
	for name, n := range tree.Sub(stages.Dir + "/1/exports").Walk() {
		if name != "" {
			got[name] = entryOf(n)
		}
	}
	want := map[string]string{}
	for name, e := range pallettest.Listing(t, "golden/pallet-standard/exports-tree.txt") {
		want[name] = strings.TrimSpace(e.Kind + " " + e.Mode + " " + e.Target)
	}
	require.Equal(t, want, got)
}

func entryOf(n *tree.Node) string {
	kind := map[tree.Type]string{tree.Regular: "f", tree.Directory: "d", tree.Symlink: "l"}[n.Type]
	return strings.TrimSpace(fmt.Sprintf("%s %o %s", kind, n.Mode, n.Target))
}
