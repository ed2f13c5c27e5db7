package testscripts

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/initsteps/report"
	"github.com/PlanktoScope/pkbuild/qemu"
)

// shared is the path of a file or directory that lies beside the repository.
func shared(t *testing.T, name string) string {
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

// standardPallet copies the PlanktoScope's pallet, with links where the copy beside the repository has their text.
func standardPallet(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.CopyFS(dir, os.DirFS(shared(t, "pallets/pallet-standard"))))
	tree, err := os.ReadFile(shared(t, "golden/pallet-standard/bundle-tree.txt"))
	require.NoError(t, err)
	for line := range strings.Lines(string(tree)) {
		entry, target, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		fields := strings.SplitN(entry, " ", 4)
		if name, ours := strings.CutPrefix(fields[3], "./pallet/"); ours && fields[0] == "l" {
			require.NoError(t, os.Remove(filepath.Join(dir, name)))
			require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
		}
	}
}

// imageOf makes a container image of one program, as skopeo's dir: has it.
func imageOf(t *testing.T, dir, name, content string) {
	t.Helper()
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}))
	_, err := w.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, os.MkdirAll(dir, 0o755))
	blob := func(kind string, data []byte) string {
		digest := fmt.Sprintf("%x", sha256.Sum256(data))
		require.NoError(t, os.WriteFile(filepath.Join(dir, digest), data, 0o644))
		return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.%s","digest":"sha256:%s","size":%d}`, kind, digest, len(data))
	}
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s]}`,
		blob("config.v1+json", []byte(`{"architecture":"arm64","os":"linux"}`)), blob("layer.v1.tar", layer.Bytes()))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(manifest), 0o644))
}

// standardRecipe is the default recipe with the PlanktoScope's pallet. The one image that this takes a program from is
// a stand-in, which a mirror gives.
func standardRecipe(t *testing.T, dir string) string {
	t.Helper()
	standardPallet(t, filepath.Join(dir, "pallet"))
	imageOf(t, filepath.Join(dir, "machine-name:0.1.3"), "machine-name", "#!/bin/sh\necho standing-in-1\n")
	here, err := filepath.Abs("../recipes/planktoscope.yml")
	require.NoError(t, err)
	recipe := filepath.Join(dir, "standard.yml")
	text := fmt.Sprintf("name: standard\ninclude: [%s]\nmirrors: {ghcr.io/planktoscope/machine-name: 'dir:%s/machine-name'}\n"+
		"layers:\n  - stage: {pallet: pallet}\n", here, dir)
	require.NoError(t, os.WriteFile(recipe, []byte(text), 0o644))
	return recipe
}

// TestStandardPallet builds the default image with the PlanktoScope's own pallet and starts it: as the stage that the
// image was made with, and as one that is to prove itself, over a proven one. None of its containers' images is there, and
// its docker.service is that of another Docker than Debian's, so that applying it fails: the proven stage stays in the
// first case, and in the second files and containers of the other stage come with the next boot.
func TestStandardPallet(t *testing.T) {
	needBoots(t)
	dir := t.TempDir()
	img := filepath.Join(dir, "standard.img")
	out, err := exec.Command(filepath.Join(programs(t), "pkbuild"), "image", "-q", standardRecipe(t, dir), "-o", img).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.Truncate(img, cardSize))

	r := boot(t, img, qemu.Options{Checks: []qemu.Check{script(t, "standard-pallet")}})
	t.Logf("%s\n%s", r.Checks[0].Output, strings.Join(qemu.Judge(r), "\n"))
	require.Zero(t, r.Checks[0].Code)
	require.False(t, r.Report.Degraded)
	require.Equal(t, 1, r.Report.Choice.Stage)
	require.Equal(t, []report.Overlay{overlay("usr", true), overlay("etc", true)}, r.Report.Overlays)

	proven := filepath.Join(dir, "stages")
	putStage(t, proven, 2, appProgram(t), "main:1")
	putStore(t, proven, "{next: 1, history: [2]}")
	intoImage(t, img, proven)
	bootToReboot(t, img)
	r = boot(t, img, qemu.Options{Persist: true, Checks: []qemu.Check{script(t, "fallback")}})
	t.Log(r.Checks[0].Output)
	require.Zero(t, r.Checks[0].Code)
	require.Equal(t, 2, r.Report.Choice.Stage)
	require.Equal(t, []string{"stage 1 is next but was found bad"}, r.Report.Problems)
}
