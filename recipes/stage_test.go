package recipes

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOneStage: the stage of a recipe replaces the stage of an included recipe.
func TestOneStage(t *testing.T) {
	files := map[string]string{
		"a/": "", "b/": "",
		"low.yml": base + "layers:\n  - stage: {pallet: a}\n  - packages: [vim]\n",
		"pi.yml":  "include: [low.yml]\nlayers:\n  - stage: {pallet: b, names: [mine]}\n",
	}
	r, err := load(files, nil)
	require.NoError(t, err)
	require.Equal(t, []Layer{{Packages: []string{"vim"}}, {Stage: &Stage{Pallet: "b", Starter: "pkctl", Names: []string{"mine"}}}}, r.Layers)
	files["pi.yml"] = "include: [low.yml]\nlayers: [{packages: [git]}]\n"
	r, err = load(files, nil)
	require.NoError(t, err)
	require.Equal(t, &Stage{Pallet: "a", Starter: "pkctl", Names: []string{"factory-reset"}}, r.Layers[0].Stage)

	files["pi.yml"] = base + "layers:\n  - stage: {pallet: a}\n  - stage: {pallet: b}\n"
	_, err = load(files, nil)
	require.EqualError(t, err, "pi.yml:5:12: layers[1].stage: a device starts with one stage, and another one is in line 4; keep one of them")
}
