package testscripts

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/qemu"
	"github.com/PlanktoScope/pkbuild/stages/pallet/pallettest"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// standardRecipe writes the default recipe with the PlanktoScope's pallet. The image that the pallet takes a program from,
// and those that it runs containers of, are stand-ins; it says where the latter lie, too. Debian has Docker's program
// elsewhere than the pallet's docker.service, and a broker that would have the port of the pallet's. The pallet's
// program that names the machine is a placeholder, so the name is given.
func standardRecipe(t *testing.T, dir string) (recipe string, places map[string]string) {
	t.Helper()
	pallet := filepath.Join(dir, "pallet")
	pallettest.Standard(t, pallet)
	imageOf(t, filepath.Join(dir, "machine-name:0.1.3"), "machine-name", "#!/bin/sh\necho standing-in-1\n", "{}")
	places = standInImages(t, filepath.Join(dir, "images"), pallet)
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
	return recipe, places
}

// imageNamed is the one of the images in places whose name begins so.
func imageNamed(t *testing.T, places map[string]string, name string) string {
	t.Helper()
	for pinned, place := range places {
		if strings.HasPrefix(pinned, name) {
			return place
		}
	}
	t.Fatalf("the pallet has no image %s", name)
	return ""
}

// forget takes a container image from the Docker of a disk image, so that no container of it can be created.
func forget(t *testing.T, img, place string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(place, "manifest.json"))
	require.NoError(t, err)
	var manifest v1.Manifest
	require.NoError(t, json.Unmarshal(data, &manifest))
	commands := filepath.Join(t.TempDir(), "commands")
	require.NoError(t, os.WriteFile(commands, []byte("cd /var/lib/docker/image/overlay2/imagedb/content/sha256\n"+
		"rm "+manifest.Config.Digest.Encoded()+"\n"), 0o644))
	debugfs(t, img, commands)
}

// TestStandardPallet builds the default image with the PlanktoScope's own pallet and boots it: every one of its containers
// runs, offline and of a stand-in, and the stage is good. Then the same stage is to prove itself over a proven one, but
// one app cannot be started: with the reboot that follows come files and containers of the proven stage, although those
// of the other apps ran.
func TestStandardPallet(t *testing.T) {
	needBoots(t)
	dir := t.TempDir()
	img := filepath.Join(dir, "standard.img")
	recipe, places := standardRecipe(t, dir)
	pkbuild := filepath.Join(programs(t), "pkbuild")
	tool(t, pkbuild, "lock", recipe)
	tool(t, pkbuild, "image", "-q", recipe, "-o", img)
	require.NoError(t, os.Truncate(img, cardSize))

	r := boot(t, img, qemu.Options{Offline: true, Checks: []qemu.Check{script(t, "standard-pallet")}})
	t.Logf("%s\n%s", r.Checks[0].Text, strings.Join(qemu.Judge(r), "\n"))
	require.Zero(t, r.Checks[0].Code)
	require.False(t, r.Report.Degraded)
	require.Equal(t, 1, r.Report.Choice.Stage)
	require.Equal(t, []report.Overlay{overlay("usr", true), overlay("etc", true)}, r.Report.Overlays)

	proven := filepath.Join(dir, "stages")
	putStage(t, proven, 2, appProgram(t), "main:1")
	putStore(t, proven, "{next: 1, history: [2]}")
	intoImage(t, img, proven)
	forget(t, img, imageNamed(t, places, "docker.io/prom/prometheus:"))
	bootToReboot(t, img)
	r = boot(t, img, qemu.Options{Persist: true, Checks: []qemu.Check{script(t, "standard-failed"), script(t, "fallback")}})
	for _, check := range r.Checks {
		t.Log(check.Text)
		require.Zero(t, check.Code)
	}
	require.Equal(t, 2, r.Report.Choice.Stage)
	require.Equal(t, []string{"stage 1 is next but was found bad"}, r.Report.Problems)
}
