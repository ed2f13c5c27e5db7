package device_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/internal/powercut"
	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages/device"
	"github.com/PlanktoScope/pkbuild/stages/report"
	"github.com/PlanktoScope/pkbuild/stages/request"
)

// writers is how many change a file at the same time.
const writers = 50

// Of many that queue a revert each, none loses what another one queued; so it is with the ledger.
func TestConcurrentWriters(t *testing.T) {
	d, _ := newDevice(t)
	var want []string
	for n := range writers {
		name := fmt.Sprintf("file%02d", n)
		put(t, root(d), map[string]string{"upper/" + name: "", "base/" + name: "image"})
		want = append(want, "/etc/"+name)
	}
	require.NoError(t, d.Scan(t.Context()))
	runs(t, d, 3)
	var group sync.WaitGroup
	errs := make(chan error, 2*writers)
	for _, name := range want {
		group.Go(func() {
			_, err := d.Revert(t.Context(), []string{name})
			errs <- err
		})
		group.Go(func() {
			_, err := d.Keep(t.Context(), []string{name})
			errs <- err
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	var queued, kept []string
	all, err := d.Overrides()
	require.NoError(t, err)
	for _, o := range all {
		if o.Queued {
			queued = append(queued, o.Path)
		}
		if o.Since == 3 {
			kept = append(kept, o.Path)
		}
	}
	require.Equal(t, want, queued)
	require.Equal(t, want, kept)
}

func TestOverrides(t *testing.T) {
	d, _ := newDevice(t)
	all, err := d.Overrides()
	require.NoError(t, err)
	require.Equal(t, []string{"/etc/hosts", "/etc/mine/x", "/etc/motd"}, paths(all))
	require.Equal(t, 2, all[0].Since)

	// An update changes what one of them hides.
	require.NoError(t, d.Scan(t.Context()))
	put(t, root(d), map[string]string{"stage/motd": "stage 3\n"})
	runs(t, d, 3)
	require.NoError(t, d.Scan(t.Context()))
	all, err = d.Overrides()
	require.NoError(t, err)
	require.Equal(t, 3, all[2].Hides)
	require.Equal(t, []string{"hides an update since stage 3"}, all[2].Notes())
	kept, err := d.Keep(t.Context(), []string{"/etc/motd"})
	require.NoError(t, err)
	require.Zero(t, kept[0].Hides)
	all, err = d.Overrides()
	require.NoError(t, err)
	require.Zero(t, all[2].Hides)

	reverted, err := d.Revert(t.Context(), []string{"/etc/mine"})
	require.NoError(t, err)
	require.Equal(t, []string{"/etc/mine/x"}, paths(reverted))
	require.NoError(t, d.CancelReverts(t.Context()))
	reverted, err = d.RevertAll(t.Context())
	require.NoError(t, err)
	require.Len(t, reverted, 3)
	all, err = d.Overrides()
	require.NoError(t, err)
	require.Equal(t, []string{"reverted at the next boot"}, all[0].Notes())
}

func TestOverrideErrors(t *testing.T) {
	d, _ := newDevice(t)
	_, err := d.Revert(t.Context(), []string{"/etc/mine", "/etc/passwd"})
	require.EqualError(t, err, "/etc/passwd is not overridden: list what is with pkctl override ls")
	_, err = d.Keep(t.Context(), []string{"/etc/passwd"})
	require.EqualError(t, err, "/etc/passwd is not overridden: list what is with pkctl override ls")
	require.NoFileExists(t, filepath.Join(d.State, override.QueueFile))

	for name, message := range map[string]string{
		override.LedgerFile: "parse the ledger of overrides: version is 7, want 1",
		override.QueueFile:  "parse the queue of reverts: version is 7, want 1",
	} {
		put(t, d.State, map[string]string{name: `{"version": 7}`})
		_, err = d.RevertAll(t.Context())
		require.EqualError(t, err, filepath.Join(d.State, name)+": "+message)
		require.NoError(t, os.Remove(filepath.Join(d.State, name)))
	}
	require.NoError(t, os.WriteFile(d.Boot, []byte("{"), 0o644))
	require.EqualError(t, d.Scan(t.Context()), "parse the boot report "+d.Boot+": unexpected end of JSON input")
	require.NoError(t, os.Remove(d.Boot))
	require.EqualError(t, d.Scan(t.Context()), "boot report "+d.Boot+": file does not exist: pkinit did not start this boot")
	d.State = filepath.Join(root(d), "nowhere")
	require.EqualError(t, d.Scan(t.Context()), "state directory "+d.State+": no such file or directory "+
		"(pkinit makes it, so this device did not boot with pkinit; name another directory with --state)")
}

// A command that waits for the lock of another one can be interrupted.
func TestLockIsInterruptible(t *testing.T) {
	d, _ := newDevice(t)
	unlock, err := atomicfile.Lock(t.Context(), filepath.Join(d.State, ".lock"))
	require.NoError(t, err)
	defer func() { require.NoError(t, unlock()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, d.CancelReverts(ctx), context.DeadlineExceeded)
}

// What a command reported as done is on the disk.
func TestQueuesSurvivePowerCut(t *testing.T) {
	base, _ := newDevice(t)
	state := func(dir string) device.Device {
		d := base
		d.State = dir
		return d
	}
	queued := map[string]string{override.ResetFile: `{"version": 1, "containers": true}`}
	for what, c := range map[string]struct {
		prepare map[string]string
		act     func(d device.Device) error
		check   func(d device.Device)
	}{
		"revert": {nil, func(d device.Device) error { _, err := d.RevertAll(t.Context()); return err }, func(d device.Device) {
			all, err := d.Overrides()
			require.NoError(t, err)
			require.True(t, all[0].Queued)
		}},
		"cancel reverts": {
			map[string]string{override.QueueFile: `{"version": 1, "paths": ["/etc/hosts"]}`},
			func(d device.Device) error { return d.CancelReverts(t.Context()) }, func(d device.Device) {
				all, err := d.Overrides()
				require.NoError(t, err)
				require.False(t, all[0].Queued)
			},
		},
		"reset": {nil, func(d device.Device) error { _, err := d.Reset(t.Context(), "2", override.Reset{}); return err }, func(d device.Device) {
			require.FileExists(t, filepath.Join(d.State, override.ResetFile))
		}},
		"cancel reset": {queued, func(d device.Device) error { _, err := d.CancelReset(t.Context()); return err }, func(d device.Device) {
			require.NoFileExists(t, filepath.Join(d.State, override.ResetFile))
		}},
		"request": {nil, func(d device.Device) error { return d.RequestNext(t.Context(), report.Request{Stage: "none"}) }, func(d device.Device) {
			r, err := d.Request()
			require.NoError(t, err)
			require.Equal(t, "none", r.Stage)
		}},
		"cancel request": {
			map[string]string{request.NextFile: `{"version": 1, "stage": "none"}`},
			func(d device.Device) error { _, err := d.CancelRequest(t.Context()); return err }, func(d device.Device) {
				require.NoFileExists(t, filepath.Join(d.State, request.NextFile))
			},
		},
		"scan": {nil, func(d device.Device) error { return d.Scan(t.Context()) }, func(d device.Device) {
			require.FileExists(t, filepath.Join(d.State, override.LedgerFile))
		}},
		"good overrides": {nil, func(d device.Device) error { return d.RecordGood(t.Context()) }, func(d device.Device) {
			require.FileExists(t, filepath.Join(d.State, override.GoodFile))
		}},
		"purge": {queued, func(d device.Device) error { return d.Purge(t.Context(), func([]string, bool) error { return nil }) }, func(d device.Device) {
			require.NoFileExists(t, filepath.Join(d.State, override.ResetFile))
		}},
	} {
		t.Run(what, func(t *testing.T) {
			powercut.After(t,
				func(dir string) { put(t, dir, c.prepare) },
				func(dir string) { require.NoError(t, c.act(state(dir))) },
				func(dir string) { c.check(state(dir)) })
		})
	}
}
