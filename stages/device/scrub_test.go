package device_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/device"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// proven returns a device with two stages that have digests and were found good; stage 2 is current.
func proven(t *testing.T) device.Device {
	dir := t.TempDir()
	d := device.Device{Store: filepath.Join(dir, "store"), State: dir, Boot: filepath.Join(dir, "boot.json"), Applied: filepath.Join(dir, "apply.json")}
	require.NoError(t, os.Mkdir(d.Store, 0o755))
	sys, err := store.Linux(d.Store)
	require.NoError(t, err)
	s, err := store.Open(t.Context(), sys)
	require.NoError(t, err)
	for range 2 {
		n, err := s.Add(t.Context(), []byte(bundle), func(w *store.Writer) error {
			return w.File("motd", 0o644, strings.NewReader("text"))
		})
		require.NoError(t, err)
		require.NoError(t, s.SetNext(n))
		require.NoError(t, s.Judge(n, stages.Good, time.Unix(1767225600, 0)))
	}
	require.NoError(t, s.Close())
	return d
}

// A stage that rots is said in status, and the next boot starts with the stage before it.
func TestScrub(t *testing.T) {
	d := proven(t)
	all, err := d.Scrub(t.Context())
	require.NoError(t, err)
	require.Equal(t, []device.Scrubbed{{Stage: 2}, {Stage: 1}}, all)
	require.Equal(t, 2, d.NextBoot().Stage)

	motd := filepath.Join(d.Store, "2/motd")
	require.NoError(t, os.WriteFile(motd, []byte("tent"), 0o644))
	all, err = d.Scrub(t.Context())
	require.NoError(t, err)
	require.Equal(t, []device.Scrubbed{{2, "motd: content changed"}, {Stage: 1}}, all)
	require.Equal(t, 1, d.NextBoot().Stage)
	require.Contains(t, d.Status().Problems, "stage 2 is next but cannot be used: bundle is damaged: motd: content changed")
	list, err := d.Stages()
	require.NoError(t, err)
	require.Equal(t, "damaged", list[1].State)
	require.Equal(t, 1, boot(t, d).Choice.Stage, "pkinit")

	_, err = d.SetNext(t.Context(), "2", true)
	require.EqualError(t, err, "stage 2 cannot be next: bundle is damaged: motd: content changed")

	require.NoError(t, os.WriteFile(motd, []byte("text"), 0o644))
	_, err = d.Scrub(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, d.NextBoot().Stage, "the card has read it correctly this time")
}

// A damaged stage is better than none.
func TestScrubOfTheOnlyStage(t *testing.T) {
	d := proven(t)
	for _, n := range []string{"1", "2"} {
		require.NoError(t, os.WriteFile(filepath.Join(d.Store, n, "motd"), []byte("tent"), 0o644))
	}
	_, err := d.Scrub(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, d.NextBoot().Stage)
	require.Contains(t, d.NextBoot().Problems, "stage 2 is damaged, and no other stage can be used: motd: content changed")
}
