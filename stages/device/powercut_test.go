package device_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/powercut"
	"github.com/PlanktoScope/pkbuild/internal/tartest"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
	"github.com/PlanktoScope/pkbuild/stages/docker/layerstore"
)

// cutsVariable is the environment variable with how often TestPowerCutsBetweenPullAndNext cuts the power.
const cutsVariable = "PKBUILD_TEST_CUTS"

// TestPowerCutsBetweenPullAndNext cuts the power while a stage's images are pulled and it is made next: whenever it is next,
// its images are complete. After a cut that damaged images, they can be repaired.
func TestPowerCutsBetweenPullAndNext(t *testing.T) {
	cuts := 10
	if text := os.Getenv(cutsVariable); text != "" {
		var err error
		cuts, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	var further []tartest.Entry
	for n := range 300 {
		further = append(further, tartest.File(fmt.Sprintf("data/%d", n), strings.Repeat(fmt.Sprint(n), 10_000)))
	}
	next, damaged, image := 0, 0, ""
	powercut.During(t, 512<<20, cuts,
		func(dir string, cut func(func())) {
			d := dockerDeviceIn(t, dir)
			r := newRegistry(t, d.program, further...)
			d.use(r.name)
			image = r.name
			cut(func() {
				_, err := d.SetNext(t.Context(), "1", false)
				require.NoError(t, err)
			})
			d.Daemon.Stop()
		},
		func(dir string, cut int) {
			files := os.DirFS(filepath.Join(dir, "store"))
			s, err := stages.Load(files)
			if err != nil || s.Staged.Next == 0 {
				all, err := filepath.Glob(filepath.Join(dir, "docker/image/overlay2/imagedb/content/sha256/*"))
				require.NoError(t, err)
				for _, name := range all {
					damage, err := layerstore.Store{Root: filepath.Join(dir, "docker")}.Check(t.Context(), layerstore.Contents,
						digest.NewDigestFromEncoded(digest.SHA256, filepath.Base(name)))
					if err == nil && len(damage) > 0 {
						damaged++
					}
				}
				if damaged == 1 {
					repairAfterCut(t, dir, image)
				}
				return
			}
			next++
			pins, err := images.ReadPins(filepath.Join(dir, "store/1"))
			require.NoError(t, err)
			require.Len(t, pins.Images, 1, "cut %d", cut)
			damage, err := layerstore.Store{Root: filepath.Join(dir, "docker")}.Check(t.Context(), layerstore.Contents, pins.Images[0].ID)
			require.NoError(t, err)
			require.Empty(t, damage, "cut %d", cut)
		})
	t.Logf("the stage is next after %d of %d cuts; images are damaged after %d others", next, cuts, damaged)
	require.NotZero(t, next)
	require.Less(t, next, cuts)
}

// repairAfterCut makes a stage next that uses an image whose pull a power cut interrupted.
func repairAfterCut(t *testing.T, dir, image string) {
	t.Helper()
	d := dockerDeviceIn(t, dir)
	defer d.Daemon.Stop()
	d.use(image)
	if _, err := d.SetNext(t.Context(), "1", false); err != nil {
		t.Logf("after the cut: %v", err)
		_, err := d.RepairImages(t.Context(), 1, &service{Daemon: d.Daemon})
		require.NoError(t, err)
		_, err = d.SetNext(t.Context(), "1", false)
		require.NoError(t, err)
	}
	d.boots(1)
	d.Run(nil, "rm", "--force", "a-main-1")
	problems, err := d.VerifyImages(t.Context(), 1)
	require.NoError(t, err)
	require.Empty(t, problems)
}
