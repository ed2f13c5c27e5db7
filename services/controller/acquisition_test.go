package controller_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/controller"
	"github.com/PlanktoScope/pkbuild/services/dataset"
	"github.com/PlanktoScope/pkbuild/services/mqtt"
	"github.com/PlanktoScope/pkbuild/services/plankton"
)

const (
	config = `{"action":"update_config","config":{"object_date":"20261130","sample_project":"tara","sample_id":"my sample","acq_id":"1"}}`
	image  = `{"action":"image","nb_frame":%d,"sleep":0.5,"volume":0.01,"pump_direction":"FORWARD"}`
)

func (b *bench) dataset() string {
	return filepath.Join(b.options.DataDir, "img", "20261130", "my_sample", "1")
}

// picture reads what an acquisition publishes for one picture.
func (b *bench) picture(i, n int) (name string) {
	b.t.Helper()
	b.expect("pump Started", "pump Done")
	_, saved := b.next()
	text := saved["status"].(string)
	require.Regexp(b.t, fmt.Sprintf(`^Image %d/%d saved to \d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-\d{6}\.jpg$`, i, n), text)
	name = text[strings.LastIndex(text, " ")+1:]
	_, progress := b.next()
	require.Equal(b.t, map[string]any{
		"type": "progress", "path": filepath.Join(b.dataset(), name), "current": float64(i), "total": float64(n),
	}, progress)
	return name
}

// TestAcquisition has the messages of the dashboard, for clients of both generations.
func TestAcquisition(t *testing.T) {
	eachVersion(t, func(t *testing.T, v mqtt.Version) {
		b := start(t, setup{version: v})
		b.ready()
		b.send("light", `{"action":"on"}`)
		b.send("imager/image", `{"action":"settings","settings":{"shutter_speed":150,"iso":"200"}}`)
		b.send("imager/image", config)
		b.expect("light On", "imager Camera settings updated", "imager Config updated")
		begin := time.Now()
		b.send("imager/image", fmt.Sprintf(image, 3))
		require.Equal(t, b.dataset(), b.expect("imager Started")["path"])
		var names []string
		for i := range 3 {
			names = append(names, b.picture(i+1, 3))
		}
		require.Equal(t, b.dataset(), b.expect("imager Done")["path"])
		require.InDelta(t, 3*(0.3+0.133+0.5), time.Since(begin).Seconds(), 0.2)
		require.InDelta(t, 0.03*microstepsPerML, b.sim.PumpChip.Turned(), 2)

		require.NoError(t, dataset.Verify(b.dataset()))
		found, err := dataset.Pictures(b.dataset())
		require.NoError(t, err)
		require.Equal(t, names, found)
		m, err := dataset.ReadMetadata(b.dataset())
		require.NoError(t, err)
		for key, want := range map[string]string{
			"sample_id": "my sample", "acq_camera_resolution": "160x120", "acq_camera_iso": "200", "acq_camera_shutter_speed": "150",
			"acq_nb_frame": "3", "acq_instrument_id": "metal-slope-23", "process_pixel": "0.75", "hardware": "simulated", "acq_hardware": "simulated",
			"acq_instrument_hat": "PlanktoScope Hat (simulated)",
		} {
			require.Equal(t, want, m.Text(key), key)
		}
		require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$`, m.Text("acq_local_datetime"))
		require.Len(t, m.Text("acq_uuid"), 36)
		for _, name := range names {
			truth, err := plankton.ReadTruth(b.dataset(), name)
			require.NoError(t, err)
			require.Equal(t, 160, truth.Width)
		}

		b.send("imager/image", fmt.Sprintf(image, 3))
		require.NotContains(t, b.expect("imager Configuration update error: Chosen id are already in use!"), "interrupted")
		b.end()
	})
}

func TestStopOfAnAcquisition(t *testing.T) {
	for _, test := range []struct {
		topic string
		want  []string
	}{
		{"imager/image", []string{"pump Interrupted", "imager Interrupted"}},
		{"actuator/pump", []string{"pump Interrupted", "imager Interrupted"}}, // in 2024 the acquisition went on
	} {
		synctest.Test(t, func(t *testing.T) {
			b := start(t, setup{})
			b.ready()
			b.send("imager/image", config)
			b.send("imager/image", fmt.Sprintf(image, 5))
			b.expect("imager Config updated", "imager Started")
			first := b.picture(1, 5)
			b.expect("pump Started")
			b.send("imager/image", config)
			b.expect("imager Busy")
			b.send("imager/image", fmt.Sprintf(image, 5))
			b.expect("imager Busy")
			b.send("actuator/pump", `{"action":"move","direction":"FORWARD","volume":1,"flowrate":2}`)
			b.expect("pump Error, an acquisition is using the pump")
			b.send(test.topic, `{"action":"stop"}`)
			b.expect(test.want...)
			turned := b.sim.PumpChip.Turned()
			b.quiet()
			require.InDelta(t, turned, b.sim.PumpChip.Turned(), 2500, "the pump decelerates only")

			// It can be continued.
			b.send("imager/image", fmt.Sprintf(image, 5))
			refused := b.expect("imager Configuration update error: Chosen id are already in use!")
			require.Equal(t, []any{b.dataset()}, refused["interrupted"])
			b.send("imager/image", strings.TrimSuffix(fmt.Sprintf(image, 3), "}")+`,"continue":true}`)
			b.expect("imager Started")
			b.picture(2, 3)
			b.picture(3, 3)
			b.expect("imager Done")
			require.NoError(t, dataset.Verify(b.dataset()))
			found, err := dataset.Pictures(b.dataset())
			require.NoError(t, err)
			require.Len(t, found, 3)
			require.Equal(t, first, found[0])
			b.send("imager/image", strings.TrimSuffix(fmt.Sprintf(image, 3), "}")+`,"continue":true}`)
			b.expect("imager Configuration update error: no interrupted acquisition has these ids")

			b.send("imager/image", `{"action":"stop"}`)
			b.expect("imager Interrupted")
			b.end()
		})
	}
}

// TestPowerCutDuringAnAcquisition starts a controller on the data of one that ended without a word.
func TestPowerCutDuringAnAcquisition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := start(t, setup{dir: dir})
		b.ready()
		b.send("imager/image", config)
		b.send("imager/image", fmt.Sprintf(image, 5))
		b.expect("imager Config updated", "imager Started")
		b.picture(1, 5)
		state := filepath.Join(b.dataset(), "acquisition.json")
		data, err := os.ReadFile(state)
		require.NoError(t, err)
		b.end()
		require.NoError(t, os.WriteFile(state, data, 0o644)) // as it was before the end
		require.Contains(t, string(data), "running")

		b = start(t, setup{dir: dir})
		time.Sleep(time.Second)
		synctest.Wait()
		var ready map[string]any
		for len(b.got) > 0 {
			if topic, payload := b.next(); topic == "status/imager" {
				ready = payload
			}
		}
		require.Equal(t, map[string]any{"status": "Ready", "interrupted": []any{b.dataset()}}, ready)
		data, err = os.ReadFile(state)
		require.NoError(t, err)
		require.Contains(t, string(data), "interrupted")
		b.end()
	})
}

func TestBadIdentifiers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, setup{})
		b.ready()
		for id, want := range map[string]string{
			`"../../etc"`:                        `sample_id "../../etc": slashes and control characters are not allowed`,
			`".."`:                               `sample_id "..": a dot at the beginning is not allowed`,
			`""`:                                 `sample_id is empty`,
			`"a\u0000b"`:                         `sample_id "a\x00b": slashes and control characters are not allowed`,
			`"` + strings.Repeat("x", 300) + `"`: `sample_id is longer than 255 bytes`,
			`null`:                               `sample_id is missing!`,
		} {
			b.send("imager/image", strings.Replace(config, `"my sample"`, id, 1))
			b.send("imager/image", fmt.Sprintf(image, 1))
			got := b.expect("imager Config updated", "imager Configuration update error: "+want)
			require.Equal(t, "config.sample_id", got["field"])
		}
		entries, err := os.ReadDir(filepath.Join(b.options.DataDir, "img"))
		require.ErrorIs(t, err, os.ErrNotExist, "%v", entries)
		b.end()
	})
}

func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := uint64(200<<20 + 5000)
		b := start(t, setup{change: func(s *controller.Simulation, o *controller.Options) {
			o.FreeSpace = func(string) (uint64, error) { return free, nil }
		}})
		b.ready()
		b.send("imager/image", config)
		b.send("imager/image", fmt.Sprintf(image, 10000))
		b.expect("imager Config updated", "imager Error, disk is full: 10000 pictures need up to 291 MB, 200 MB are free")
		require.NoDirExists(t, b.dataset())
		b.quiet()
		require.Zero(t, b.sim.PumpChip.Turned())

		// The disk becomes full during the acquisition.
		free = 1 << 40
		b.send("imager/image", fmt.Sprintf(image, 5))
		b.expect("imager Started")
		name := b.picture(1, 5)
		b.sim.Picture.SetFailure(fmt.Errorf("write picture: %w", syscall.ENOSPC))
		b.expect("pump Started", "pump Done", "imager Image 2/5 WAS NOT CAPTURED! STOPPING THE PROCESS!")
		found, err := dataset.Pictures(b.dataset())
		require.NoError(t, err)
		require.Equal(t, []string{name}, found)
		require.NoError(t, dataset.Verify(b.dataset()))
		b.end()
	})
}

// TestHardwareErrorsEndAnAcquisition: the status says so, and the data set can be continued.
func TestHardwareErrorsEndAnAcquisition(t *testing.T) {
	for name, test := range map[string]struct {
		fault, repair func(*controller.Simulation)
		want          []string
	}{
		"camera": {
			func(s *controller.Simulation) { s.Picture.SetFailure(errors.New("timeout")) },
			func(s *controller.Simulation) { s.Picture.SetFailure(nil) },
			[]string{"pump Done", "imager Image 2/3 WAS NOT CAPTURED! STOPPING THE PROCESS!"},
		},
		"pump": {
			func(s *controller.Simulation) { s.PumpChip.Heat(true, true) },
			func(s *controller.Simulation) { s.PumpChip.Heat(false, false) },
			[]string{
				"pump Error, move motor pump: driver is too hot and switched itself off",
				"imager Error, move motor pump: driver is too hot and switched itself off: 1 of 3 pictures were saved",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, setup{})
				b.ready()
				b.send("imager/image", config)
				b.send("imager/image", fmt.Sprintf(image, 3))
				b.expect("imager Config updated", "imager Started")
				b.picture(1, 3)
				b.expect("pump Started")
				test.fault(b.sim)
				got := b.expect(test.want...)
				require.Equal(t, []any{b.dataset()}, got["interrupted"])
				b.quiet()
				test.repair(b.sim)
				b.send("imager/image", strings.TrimSuffix(fmt.Sprintf(image, 3), "}")+`,"continue":true}`)
				b.expect("imager Started")
				b.picture(2, 3)
				b.picture(3, 3)
				b.expect("imager Done")
				require.NoError(t, dataset.Verify(b.dataset()))
				b.end()
			})
		})
	}
}
