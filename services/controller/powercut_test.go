package controller_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/powercut"
	"github.com/PlanktoScope/pkbuild/services/controller"
	"github.com/PlanktoScope/pkbuild/services/dataset"
)

// TestPowerCuts cuts the power at random moments of an acquisition, on a real file system without what was not synced. Every
// picture that was confirmed by a status is there and verifies, and the acquisition can be continued.
func TestPowerCuts(t *testing.T) {
	const cuts, frames = 10, 5
	r := rand.New(rand.NewPCG(5, 6))
	confirmed := 0
	for cut := range cuts {
		moment := time.Duration(r.Float64() * frames * float64(950*time.Millisecond))
		synctest.Test(t, func(t *testing.T) {
			var pictures []string
			var before *bench
			powercut.After(t, func(string) {},
				func(dir string) {
					before = start(t, roomy(dir))
					before.ready()
					before.send("imager/image", config)
					before.send("imager/image", fmt.Sprintf(image, frames))
					before.expect("imager Config updated", "imager Started")
					time.Sleep(moment)
					synctest.Wait()
					pictures = before.confirmed()
				},
				func(dir string) {
					before.end() // it worked on, on the file system that is gone
					checkAfterPowerCut(t, dir, pictures, frames)
				})
			confirmed += len(pictures)
		})
		require.False(t, t.Failed(), "cut %d after %v", cut, moment)
	}
	require.NotZero(t, confirmed)
}

// roomy is a bench on a small file system that passes for a large one.
func roomy(dir string) setup {
	return setup{dir: dir, change: func(_ *controller.Simulation, o *controller.Options) {
		o.FreeSpace = func(string) (uint64, error) { return 1 << 40, nil }
	}}
}

// confirmed returns the names of the pictures that were published as saved until now.
func (b *bench) confirmed() (names []string) {
	for len(b.got) > 0 {
		var s struct{ Status string }
		require.NoError(b.t, json.Unmarshal((<-b.got).Payload, &s))
		if _, name, ok := strings.Cut(s.Status, " saved to "); ok {
			names = append(names, name)
		}
	}
	return names
}

// checkAfterPowerCut starts a controller on what the power cut left and continues the acquisition.
func checkAfterPowerCut(t *testing.T, dir string, pictures []string, frames int) {
	b := start(t, roomy(dir))
	b.ready()
	for _, name := range pictures {
		require.FileExists(t, filepath.Join(b.dataset(), name))
	}
	b.send("imager/image", config)
	b.send("imager/image", strings.TrimSuffix(fmt.Sprintf(image, frames), "}")+`,"continue":true}`)
	b.expect("imager Config updated", "imager Started")
	time.Sleep(time.Duration(frames) * 2 * time.Second)
	synctest.Wait()
	require.NoError(t, dataset.Verify(b.dataset()))
	found, err := dataset.Pictures(b.dataset())
	require.NoError(t, err)
	require.Len(t, found, frames)
	require.Subset(t, found, pictures)
	state, err := os.ReadFile(filepath.Join(b.dataset(), "acquisition.json"))
	require.NoError(t, err)
	require.Contains(t, string(state), `"state": "done"`)
	b.end()
}
