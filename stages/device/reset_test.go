package device_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/overlays/override"
)

func TestReset(t *testing.T) {
	d, _ := newDevice(t)
	r, err := d.Reset(t.Context(), "factory-reset", override.Reset{Overrides: true})
	require.NoError(t, err)
	require.Equal(t, override.Reset{Stage: 1, Overrides: true}, r)
	got, err := d.QueuedReset()
	require.NoError(t, err)
	require.Equal(t, r, got)
	_, err = d.Remove(t.Context(), "1", true)
	require.EqualError(t, err, "stage 1 is the one that the device is reset to at the next boot: cancel that with pkctl reset --cancel")

	for range 2 {
		queued, err := d.CancelReset(t.Context())
		require.NoError(t, err)
		require.Equal(t, got != override.Reset{}, queued)
		got = override.Reset{}
	}

	// One that cannot be read is canceled, too.
	put(t, d.State, map[string]string{override.ResetFile: "{"})
	_, err = d.Remove(t.Context(), "1", true)
	require.EqualError(t, err, filepath.Join(d.State, override.ResetFile)+": parse the queued reset: unexpected end of JSON input")
	queued, err := d.CancelReset(t.Context())
	require.NoError(t, err)
	require.True(t, queued)
}

func TestResetErrors(t *testing.T) {
	d, _ := newDevice(t)
	require.NoError(t, os.Remove(filepath.Join(d.Store, "4/forklift-bundle.yml")))
	_, err := d.Reset(t.Context(), "4", override.Reset{})
	require.EqualError(t, err, "stage 4 cannot be reset to: bundle is incomplete: no forklift-bundle.yml")
	_, err = d.Reset(t.Context(), "9", override.Reset{})
	require.EqualError(t, err, "no stage 9 in "+d.Store+": it has 1, 2, 3, 4")
	require.NoFileExists(t, filepath.Join(d.State, override.ResetFile))
	d.State = filepath.Join(root(d), "nowhere")
	_, err = d.CancelReset(t.Context())
	require.ErrorContains(t, err, "state directory "+d.State+": no such file or directory (pkinit makes it")
}

// The containers of a reset are removed once pkinit has done its part, and what is interrupted is repeated.
func TestPurge(t *testing.T) {
	d, _ := newDevice(t)
	put(t, d.Store, map[string]string{
		"2/forklift-bundle.yml":              bundle + "deploys: {a: {package: /a}}\n",
		"2/packages/a/forklift-package.yml":  "deployment: {compose-files: [compose.yml]}\n",
		"2/packages/a/compose.yml":           "services: {main: {image: a}}\n",
		"2/packages/forklift-repository.yml": "forklift-version: v0.8.0\nrepository: {path: /}\n",
		"1/forklift-bundle.yml":              "forklift-version: [",
		"../state/" + override.ResetFile:     `{"version": 1, "stage": 1, "containers": true}`,
	})
	calls := 0
	purge := func(apps []string, _ bool) error {
		calls++
		require.Equal(t, []string{"a"}, apps)
		if calls == 1 {
			return errors.New("docker is down")
		}
		return nil
	}
	require.NoError(t, d.Purge(t.Context(), purge))
	require.Zero(t, calls, "pkinit has not done its part")
	put(t, d.State, map[string]string{override.ResetFile: `{"version": 1, "containers": true}`})
	require.EqualError(t, d.Purge(t.Context(), purge), "docker is down")
	require.FileExists(t, filepath.Join(d.State, override.ResetFile))
	require.NoError(t, d.Purge(t.Context(), purge))
	require.NoFileExists(t, filepath.Join(d.State, override.ResetFile))

	// A reset that is queued meanwhile stays.
	put(t, d.State, map[string]string{override.ResetFile: `{"version": 1, "containers": true}`})
	require.NoError(t, d.Purge(t.Context(), func([]string, bool) error {
		_, err := d.Reset(t.Context(), "2", override.Reset{Containers: true})
		return err
	}))
	r, err := d.QueuedReset()
	require.NoError(t, err)
	require.Equal(t, 2, r.Stage)

	put(t, d.State, map[string]string{override.ResetFile: "{"})
	require.ErrorContains(t, d.Purge(t.Context(), purge), "parse the queued reset")
}
