package stages_test

import (
	"errors"
	"maps"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages"
)

// onDisk is a store whose stage 3 failed three times, beside two proven ones.
func onDisk() fstest.MapFS {
	return fstest.MapFS{
		"forklift-stage-store.yml": file("forklift-version: v0.9.0\nstaged: {next: 3, next-failed: true, history: [1, 2], names: {factory-reset: 1}}\n"),
		"boot-state.json":          file(`{"version": 1, "stages": {"3": {"attempts": 3, "result": "failed"}, "1": {"attempts": 3}}}`),
		"1/forklift-bundle.yml":    file(manifest),
		"2/forklift-bundle.yml":    file(manifest),
		"3/forklift-bundle.yml":    file(manifest),
	}
}

// selected is the stage that a boot would start with.
func selected(t *testing.T, dir fstest.MapFS) int {
	s, err := stages.Load(dir)
	require.NoError(t, err)
	return stages.Select(s).Stage
}

// After each of the writes, as if the power failed behind it, a boot selects the stage of before or of after.
func TestWritesAreOrdered(t *testing.T) {
	for what, c := range map[string]struct {
		change func(stages.Files) (stages.Files, []stages.Write, error)
		names  []string // of the files, in the order of the writes
		want   int
	}{
		"set next":      {func(f stages.Files) (stages.Files, []stages.Write, error) { return f.SetNext(1) }, []string{"boot-state.json", "forklift-stage-store.yml"}, 1},
		"retry":         {func(f stages.Files) (stages.Files, []stages.Write, error) { return f.SetNext(3) }, []string{"boot-state.json", "forklift-stage-store.yml"}, 3},
		"set next to 0": {func(f stages.Files) (stages.Files, []stages.Write, error) { return f.SetNext(0) }, []string{"boot-state.json", "forklift-stage-store.yml"}, 0},
		"judge good":    {func(f stages.Files) (stages.Files, []stages.Write, error) { return f.Judge(3, stages.Good, at) }, []string{"forklift-stage-store.yml", "boot-state.json"}, 3},
		"count":         {func(f stages.Files) (stages.Files, []stages.Write, error) { return f.Attempt(2, at) }, []string{"boot-state.json"}, 2},
		"drop the stage": {func(f stages.Files) (stages.Files, []stages.Write, error) {
			return f.Restage(f.Store.Staged.WithoutStage(2))
		}, []string{"forklift-stage-store.yml"}, 1},
		"forget attempts": {func(f stages.Files) (stages.Files, []stages.Write, error) { return f.Forget(3) }, []string{"boot-state.json"}, 2},
	} {
		t.Run(what, func(t *testing.T) {
			disk := onDisk()
			old, err := stages.ReadFiles(disk)
			require.NoError(t, err)
			before := selected(t, disk)
			after, writes, err := c.change(old)
			require.NoError(t, err)
			var names []string
			for _, w := range writes {
				names = append(names, w.Name)
				disk[w.Name] = file(string(w.Data))
				require.Contains(t, []int{before, c.want}, selected(t, disk), "after the write of %s", w.Name)
			}
			require.Equal(t, c.names, names)
			require.Equal(t, c.want, selected(t, disk))
			again, err := stages.ReadFiles(disk)
			require.NoError(t, err)
			require.Equal(t, after, again)
			require.Equal(t, "v0.9.0", again.Store.ForkliftVersion)
		})
	}
}

var at = time.Unix(1767225600, 0)

func TestReadFiles(t *testing.T) {
	for what, c := range map[string]struct {
		files   map[string]string
		want    stages.Files
		message string
	}{
		"none":          {nil, stages.Files{Store: stages.EmptyStore()}, ""},
		"damaged state": {map[string]string{"boot-state.json": "{"}, stages.Files{Store: stages.EmptyStore()}, ""},
		"damaged store": {map[string]string{"forklift-stage-store.yml": "staged: ["}, stages.Files{}, "parse forklift-stage-store.yml: [1:9] sequence end token ']' not found"},
	} {
		t.Run(what, func(t *testing.T) {
			dir := fstest.MapFS{}
			for name, text := range maps.All(c.files) {
				dir[name] = file(text)
			}
			got, err := stages.ReadFiles(dir)
			require.Equal(t, c.message, errText(err))
			require.Equal(t, c.want, got)
		})
	}
	_, err := stages.ReadFiles(brokenFS{})
	require.EqualError(t, err, "read the stage store: input/output error")
	require.Error(t, errors.Unwrap(err))
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
