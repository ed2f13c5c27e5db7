package store_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

const manifest = "forklift-version: v0.8.0\npallet:\n  path: example.org/pallet\n"

var at = time.Unix(1767225600, 0)

// fill writes a bundle whose content contains its number.
func fill(text string) func(*store.Writer) error {
	return func(w *store.Writer) error {
		for _, err := range []error{
			w.Dir("exports", 0o755),
			w.Dir("exports/overlays", 0o755),
			w.File("exports/overlays/motd", 0o644, strings.NewReader(text)),
			w.File("exports/overlays/run.sh", 0o755, strings.NewReader("#!/bin/sh\n"+text)),
			w.Symlink("exports/overlays/link", "motd"),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// stage stages a new bundle and makes it the next one.
func stage(s *store.Store) error {
	n, err := s.Add(context.Background(), []byte(manifest), fill("new"))
	if err != nil {
		return err
	}
	return s.SetNext(n)
}

// stageNamed stages a new bundle that only a name refers to.
func stageNamed(s *store.Store) error {
	n, err := s.Add(context.Background(), []byte(manifest), fill("named"))
	if err != nil {
		return err
	}
	return s.Name("mine", n)
}

// command changes a store.
type command struct {
	do    func(*store.Store) error
	again string // error of running it a second time
}

// commands are all commands that change a store.
var commands = map[string]command{
	"stage":              {do: stage},
	"stage for a name":   {do: stageNamed},
	"set next":           {do: func(s *store.Store) error { return s.SetNext(1) }},
	"set next anew":      {do: func(s *store.Store) error { return s.SetNext(4) }},
	"unset next":         {do: func(s *store.Store) error { return s.SetNext(0) }},
	"next is good":       {do: func(s *store.Store) error { return s.Judge(4, stages.Good, at) }},
	"next is bad":        {do: func(s *store.Store) error { return s.Judge(4, stages.Failed, at) }},
	"fallback is good":   {do: func(s *store.Store) error { return s.Judge(2, stages.Good, at) }},
	"name":               {do: func(s *store.Store) error { return s.Name("mine", 2) }},
	"unname":             {func(s *store.Store) error { return s.RemoveName("factory-reset") }, `stage name "factory-reset" is unknown`},
	"delete the next":    {func(s *store.Store) error { return s.Delete(4) }, "stage 4 does not exist"},
	"delete the current": {func(s *store.Store) error { return s.Delete(2) }, "stage 2 does not exist"},
	"delete an unused":   {func(s *store.Store) error { return s.Delete(3) }, "stage 3 does not exist"},
	"prune":              {do: func(s *store.Store) error { _, err := s.Prune(); return err }},
}

// change opens a store, changes it and closes it.
func change(m *memory, do func(*store.Store) error) error {
	s, err := store.Open(context.Background(), m)
	if err != nil {
		return err
	}
	if err := do(s); err != nil {
		return err
	}
	return s.Close()
}

// device returns a disk with four stages: 1 is named factory-reset, 2 is current, 3 is unused, 4 has had one attempt.
func device(t *testing.T) disk {
	m := newMemory(newDisk())
	for range 4 {
		require.NoError(t, change(m, stage))
	}
	for _, command := range []func(*store.Store) error{
		func(s *store.Store) error { return s.Name("factory-reset", 1) },
		func(s *store.Store) error { return s.Judge(1, stages.Good, at) },
		func(s *store.Store) error { return s.Judge(2, stages.Good, at) },
		func(s *store.Store) error { return s.Judge(4, stages.Pending, at) },
	} {
		require.NoError(t, change(m, command))
	}
	return m.disk
}

// littered returns a disk with temporary files of killed commands, Forklift's included.
func littered(t *testing.T) disk {
	m := newMemory(device(t))
	for _, dir := range []string{".new-5", ".new-5/exports", ".old-9", ".old-9/exports"} {
		require.NoError(t, m.Mkdir(dir, 0o755))
	}
	for _, name := range []string{".new-5/exports/half", ".old-9/exports/half", "boot-state.json.tmp",
		"forklift-stage-store.yml.tmp", "forklift-stage-store-swap.yml"} {
		f, err := m.Create(name, 0o644)
		require.NoError(t, err)
		_, err = f.Write([]byte("staged: {"))
		require.NoError(t, err)
	}
	return m.disk
}

// TestPowerCuts stops every command before each of its system calls and cuts the power there, with unsynced changes lost,
// written, written in part or torn.
func TestPowerCuts(t *testing.T) {
	cuts, distinct := 0, 0
	for from, was := range map[string]disk{"a device": device(t), "a device with leftovers": littered(t)} {
		for what, command := range commands {
			whole := newMemory(was)
			require.NoError(t, change(whole, command.do), what)
			seen := map[string]bool{}
			for call := 1; call <= whole.calls+1; call++ {
				m := newMemory(was)
				m.stop = call
				stop(m, command.do)
				m.cuts(func(lost string, after disk) {
					cuts++
					if is := after.String(); !seen[is] {
						seen[is] = true
						distinct++
						when := fmt.Sprintf("%s, %s, stopped before call %d, %s", from, what, call, lost)
						check(t, when, was, whole.disk, after, command)
					}
				})
			}
		}
	}
	t.Logf("%d cut points, after which %d different disks", cuts, distinct)
}

// stop runs a command until it is stopped.
func stop(m *memory, do func(*store.Store) error) {
	defer func() {
		if p := recover(); p != nil && p != (stopped{}) {
			panic(p)
		}
	}()
	_ = change(m, do)
}

// check checks that the disk after a power cut selects what it selected before or after the command, and that the next
// command succeeds.
func check(t *testing.T, when string, before, done, after disk, command command) {
	t.Helper()
	snapshot, err := stages.Load(after.files())
	require.NoError(t, err, when)
	require.Contains(t, []stages.Choice{choice(before), choice(done)}, stages.Select(snapshot), when)
	bundles(t, when, after, snapshot.Staged.References()...)

	m := newMemory(after)
	if err := change(m, command.do); err != nil {
		require.EqualError(t, err, command.again, when)
	}
	require.NoError(t, change(m, stage), when)
	bundles(t, when, m.disk)
	for name := range m.disk[root].entries {
		require.NotRegexp(t, `^\.(new|old)|tmp$|swap`, name, when)
	}
}

func choice(d disk) stages.Choice {
	snapshot, _ := stages.Load(d.files())
	return stages.Select(snapshot)
}

// bundles checks that each bundle with a number, and each that the store refers to, is complete.
func bundles(t *testing.T, when string, d disk, used ...int) {
	t.Helper()
	files := d.files()
	for name := range d[root].entries {
		if n, err := strconv.Atoi(name); err == nil {
			used = append(used, n)
		}
	}
	for _, n := range used {
		require.NoError(t, stages.CheckBundle(files, n), when)
		differences, err := store.Verify(files, n)
		require.NoError(t, err, when)
		require.Empty(t, differences, when)
	}
}
