package controller_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/controller"
	"github.com/PlanktoScope/pkbuild/services/plankton"
)

func TestCapture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, setup{})
		b.ready()
		b.send("imager/image", `{"action":"capture","jpeg":true,"dng":true}`)
		_, got := b.next()
		require.Equal(t, "capture", got["action"])
		require.Nil(t, got["dng"])
		require.Equal(t, "dng is true, but only JPEG is supported", got["error"])
		require.FileExists(t, got["jpeg"].(string))
		require.Equal(t, filepath.Join(b.options.DataDir, "captures"), filepath.Dir(got["jpeg"].(string)))
		b.end()
	})
}

func TestMissingCamera(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, setup{change: func(s *controller.Simulation, _ *controller.Options) { s.Camera = nil }})
		time.Sleep(time.Second)
		synctest.Wait()
		var imager []string
		for len(b.got) > 0 {
			if topic, payload := b.next(); topic == "status/imager" {
				imager = append(imager, payload["status"].(string))
			}
		}
		require.Equal(t, []string{"Starting up", "Error: missing camera"}, imager)
		b.send("imager/image", fmt.Sprintf(image, 3))
		b.send("imager/image", `{"action":"capture"}`)
		b.send("imager/image", config)
		b.expect("imager Error: missing camera", "imager Error: missing camera", "imager Config updated")
		b.end()
	})
}

// TestPicturesShowTheInstrument: organisms drift with the pumped volume, and pictures are as bright as the light.
func TestPicturesShowTheInstrument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, setup{})
		b.ready()
		shot := func() plankton.Truth {
			still, err := b.sim.Camera.Capture(t.Context())
			require.NoError(t, err)
			dir := t.TempDir()
			require.NoError(t, still.Annotate(dir, "x.jpg"))
			truth, err := plankton.ReadTruth(dir, "x.jpg")
			require.NoError(t, err)
			return truth
		}
		ids := func(truth plankton.Truth) string {
			var ids []int
			for _, o := range truth.Objects {
				ids = append(ids, o.ID)
			}
			data, _ := json.Marshal(ids)
			return string(data)
		}
		before := shot()
		require.Equal(t, ids(before), ids(shot()))
		b.send("actuator/pump", `{"action":"move","direction":"FORWARD","volume":0.01,"flowrate":2}`)
		b.expect("pump Started", "pump Done")
		require.NotEqual(t, ids(before), ids(shot()))
		b.send("actuator/pump", `{"action":"move","direction":"BACKWARD","volume":0.01,"flowrate":2}`)
		b.expect("pump Started", "pump Done")
		require.Equal(t, ids(before), ids(shot()))
		b.end()
	})
}
