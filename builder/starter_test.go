package builder

import (
	"maps"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/recipes"
)

// TestComposeAppsNeedAStarter: an image whose Compose apps nothing would start is a mistake at the stage.
func TestComposeAppsNeedAStarter(t *testing.T) {
	include, err := filepath.Abs("../recipes/include")
	require.NoError(t, err)
	const problem = "pi.yml:5:12: layers[1].stage: pallet pallet has Compose apps (web), and the image has no "
	const remedy = " to start them; include pkbuild:stages, or write starter: other if units of your own start them"
	for name, test := range map[string]struct{ include, layer, stage, err string }{
		"nothing":           {layer: "packages: [vim]", err: problem + "/usr/bin/pkctl and no pkctl-apply.service and no Docker and no Docker Compose" + remedy},
		"no Compose":        {layer: "packages: [docker.io]", err: problem + "/usr/bin/pkctl and no pkctl-apply.service and no Docker Compose" + remedy},
		"only pkctl":        {layer: "files: [{target: /usr/bin/pkctl, program: pkctl}]", err: problem + "pkctl-apply.service and no Docker and no Docker Compose" + remedy},
		"the include":       {include: "stages.yml", layer: "packages: [vim]"},
		"another starter":   {layer: "packages: [vim]", stage: ", starter: other"},
		"Docker by script":  {include: "stages.yml", layer: "run: {script: install-docker}"},
		"a script, nothing": {layer: "run: {script: install-docker}", err: problem + "/usr/bin/pkctl and no pkctl-apply.service" + remedy},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{}
			for name, text := range appPallet {
				files["pallet/"+name] = text
			}
			includes := ""
			if test.include != "" {
				includes = filepath.Join(include, test.include)
			}
			files["pi.yml"] = "name: pi\nbase: {debian: {suite: trixie}}\nlayers:\n  - " + test.layer + "\n  - stage: {pallet: pallet" + test.stage + "}\n"
			if includes != "" {
				files["pi.yml"] += "include: [" + includes + "]\n"
			}
			dir := write(t, files)
			t.Chdir(dir)
			r, err := recipes.Load("pi.yml", recipes.Options{})
			require.NoError(t, err)
			_, err = compile(t, r, GatherOptions{})
			if test.err == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.err)
		})
	}
}

// TestPalletWithoutAppsNeedsNoStarter: files of a stage need nothing but pkinit.
func TestPalletWithoutAppsNeedsNoStarter(t *testing.T) {
	files := maps.Clone(appPallet)
	delete(files, "deployments/web.deploy.yml")
	r := &recipes.Recipe{Dir: write(t, files), Name: "pi", Date: "2026-01-01", Disk: recipes.Disk{BootSize: "512MiB", Free: "1MiB"},
		Base: recipes.Base{Debian: &recipes.Debian{Suite: "trixie"}}, Layers: []recipes.Layer{{Stage: &recipes.Stage{Pallet: "."}}}}
	_, err := compile(t, r, GatherOptions{})
	require.NoError(t, err)
}
