package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"sync"
	"testing/fstest"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// world caches the outcome of actions by the state of the device. Outcomes depend on the files alone, and random
// sequences meet the same few states again and again.
type world struct {
	flashed *state
	lock    sync.Mutex                   // guards the fields below and the outcomes of all states
	states  map[[sha256.Size]byte]*state // by the hash of their files
	files   map[string]*fstest.MapFile   // by path and content, shared by states
	done    int                          // number of cache misses
}

// state is a device between two commands.
type state struct {
	files   fstest.MapFS
	staged  stages.Staged
	bundles []int
	after   map[action]*outcome
}

// action is a command with its argument, or a boot.
type action struct {
	what  string
	stage int
}

// outcome is the result of an action.
type outcome struct {
	to     *state
	choice stages.Choice // result of a boot
	stage  int           // number of the new stage
	err    error
}

// newWorld has one device as flashed: one stage, proven, named factory-reset.
func newWorld() (*world, error) {
	w := &world{states: map[[sha256.Size]byte]*state{}, files: map[string]*fstest.MapFile{}}
	m := newMemory(newDisk())
	err := change(m, func(s *store.Store) error {
		n, err := addEmpty(s)
		if err != nil {
			return err
		}
		return first(s.SetNext(n), s.Judge(n, stages.Good, at), s.Name("factory-reset", n))
	})
	if err != nil {
		return w, err
	}
	w.flashed, err = w.state(m)
	return w, err
}

func first(errs ...error) error {
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if i < 0 {
		return nil
	}
	return errs[i]
}

// addEmpty adds a bundle of one empty file.
func addEmpty(s *store.Store) (int, error) {
	return s.Add(context.Background(), []byte(manifest), func(w *store.Writer) error {
		return w.File("x", 0o644, bytes.NewReader(nil))
	})
}

// after returns the outcome of an action.
func (w *world) after(d *state, a action) *outcome {
	w.lock.Lock()
	o := d.after[a]
	w.lock.Unlock()
	if o != nil {
		return o
	}
	o = &outcome{}
	m := newMemory(diskOf(d.files))
	o.err = a.do(m, o)
	to, err := w.state(m)
	o.to, o.err = to, first(o.err, err)
	w.lock.Lock()
	defer w.lock.Unlock()
	w.done++
	d.after[a] = o
	return o
}

// do runs the action as pkinit or a command does.
func (a action) do(m *memory, o *outcome) (err error) {
	if a.isBoot() {
		o.choice, err = boot(m, a.stage)
		return err
	}
	return change(m, func(s *store.Store) (err error) {
		switch a.what {
		case "stage":
			if o.stage, err = addEmpty(s); err == nil {
				err = s.SetNext(o.stage)
			}
			return err
		case "set next":
			return s.SetNext(a.stage)
		case "delete":
			return s.Delete(a.stage)
		case "prune":
			_, err = s.Prune(a.stage)
			return err
		case "damaged":
			return s.MarkDamaged(a.stage, "a file differs")
		case "sound":
			return s.MarkDamaged(a.stage, "")
		}
		return s.Judge(a.stage, stages.Result(a.what), at)
	})
}

// isBoot reports whether the action is a boot: "boot without" is one in which a stage cannot be mounted.
func (a action) isBoot() bool { return a.what == "boot" || a.what == "boot without" }

// boot selects a stage as pkinit does, and counts the attempt. If the selected stage is the one that cannot be mounted, it
// selects another one, and marks the stage.
func boot(m *memory, unmountable int) (stages.Choice, error) {
	failed := false
	for {
		snapshot, err := stages.Load(m.files())
		if err != nil {
			return stages.Choice{}, err
		}
		if failed {
			snapshot = snapshot.Exclude(m.files(), unmountable, errors.New("mount failed"))
		}
		choice := stages.Select(snapshot)
		state := snapshot.State
		if choice.Counted != 0 {
			state = state.WithAttempt(choice.Counted, at)
		}
		again := choice.Stage != 0 && choice.Stage == unmountable
		if failed && !again {
			state = state.Unusable(unmountable, "mount failed", at)
		}
		failed = failed || again
		if err := writeState(m, state); err != nil || !again {
			return choice, err
		}
	}
}

// writeState replaces the state file.
func writeState(m *memory, state stages.BootState) error {
	data, err := state.Marshal()
	if err != nil {
		return err
	}
	_ = m.Remove(stages.StateFile)
	f, err := m.Create(stages.StateFile, 0o644)
	if err == nil {
		_, err = f.Write(data)
	}
	return err
}

// state returns the state with the files of a disk: the same pointer for the same files.
func (w *world) state(m *memory) (*state, error) {
	sum, files := sha256.New(), m.files()
	w.lock.Lock()
	defer w.lock.Unlock()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := files[name]
		key := fmt.Sprintf("%s\n%d %d\n%s", name, f.Mode, len(f.Data), f.Data)
		if w.files[key] == nil {
			w.files[key] = f
		}
		files[name] = w.files[key]
		sum.Write([]byte(key))
	}
	key := [sha256.Size]byte(sum.Sum(nil))
	if d := w.states[key]; d != nil {
		return d, nil
	}
	d := &state{files: files, after: map[action]*outcome{}}
	w.states[key] = d
	file, err := stages.ParseStore(files[stages.StoreFile].Data)
	d.staged = file.Staged
	if err != nil {
		return d, err
	}
	d.bundles, err = store.Bundles(m)
	return d, err
}

// diskOf returns a disk with the given files.
func diskOf(files fstest.MapFS) disk {
	d := newDisk()
	ids := map[string]int{".": root}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if name == "." {
			continue
		}
		f := files[name]
		id := len(d)
		ids[name] = id
		d[id] = &node{mode: f.Mode, data: f.Data}
		if f.Mode&fs.ModeDir != 0 {
			d[id].entries = map[string]int{}
		}
		d[ids[path.Dir(name)]].entries[path.Base(name)] = id
	}
	return d
}
