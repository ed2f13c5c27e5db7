package testscripts

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages/pallet/pallettest"
)

// standardRecipe writes the default recipe with the PlanktoScope's pallet, all of whose container images are stand-ins.
// Debian installs dockerd in another directory than the pallet's docker.service expects, and its broker takes the port of
// the pallet's. The pallet's program that names the machine is a placeholder, so the recipe sets the name.
func standardRecipe(t *testing.T, dir string) (recipe string) {
	t.Helper()
	pallet := filepath.Join(dir, "pallet")
	pallettest.Standard(t, pallet)
	imageOf(t, filepath.Join(dir, "machine-name:0.1.3"), "machine-name", "#!/bin/sh\necho standing-in-1\n", "{}")
	places := standInImages(t, filepath.Join(dir, "images"), pallet)
	here, err := filepath.Abs("../recipes/planktoscope.yml")
	require.NoError(t, err)
	var text strings.Builder
	fmt.Fprintf(&text, `name: standard
include: [%s]
mirrors: {ghcr.io/planktoscope/machine-name: 'dir:%s/machine-name'}
layers:
  - files:
      - {target: /usr/bin/dockerd, link: ../sbin/dockerd}
      - {target: /etc/systemd/system/mosquitto.service, link: /dev/null}
      - {target: /usr/lib/tmpfiles.d/machine-name.conf, content: "f /run/machine-name - - - - standing-in-1\n"}
  - stage: {pallet: pallet}
  - containers:
      images:
`, here, dir)
	for _, name := range slices.Sorted(maps.Keys(places)) {
		fmt.Fprintf(&text, "        - {name: '%s', source: 'dir:%s'}\n", name, places[name])
	}
	recipe = filepath.Join(dir, "standard.yml")
	require.NoError(t, os.WriteFile(recipe, []byte(text.String()), 0o644))
	return recipe
}

// TestStandardPallet builds the default image with the PlanktoScope's own pallet and boots it: scenario standard-pallet.
func TestStandardPallet(t *testing.T) {
	needBoots(t)
	dir := t.TempDir()
	img := filepath.Join(dir, "standard.img")
	recipe := standardRecipe(t, dir)
	pkbuild := filepath.Join(programs(t), "pkbuild")
	tool(t, pkbuild, "lock", recipe)
	tool(t, pkbuild, "image", "-q", recipe, "-o", img)
	passScenario(t, img, "standard-pallet")
}
