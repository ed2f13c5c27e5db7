package store_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// openForNow opens a store in a directory; the caller closes it.
func openForNow(t *testing.T, dir string) *store.Store {
	t.Helper()
	sys, err := store.Linux(dir)
	require.NoError(t, err)
	s, err := store.Open(context.Background(), sys)
	require.NoError(t, err)
	return s
}

// open opens a store in a directory, until the test ends.
func open(t *testing.T, dir string) *store.Store {
	t.Helper()
	s := openForNow(t, dir)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func add(t *testing.T, s *store.Store, text string) int {
	t.Helper()
	n, err := s.Add(context.Background(), []byte(manifest), fill(text))
	require.NoError(t, err)
	return n
}

func TestStageOnLinux(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077)) // must have no effect
	dir := t.TempDir()
	s := open(t, dir)
	first := add(t, s, "first")
	second := add(t, s, "second")
	require.Equal(t, []int{1, 2}, []int{first, second})
	require.NoError(t, s.SetNext(second))
	require.NoError(t, s.Name("factory-reset", first))
	require.NoError(t, s.Judge(second, stages.Good, at))

	snapshot, err := stages.Load(os.DirFS(dir))
	require.NoError(t, err)
	require.Equal(t, stages.Staged{Next: 2, History: []int{2}, Names: map[string]int{"factory-reset": 1}}, snapshot.Staged)
	require.Equal(t, snapshot.Staged, s.Staged())
	require.Equal(t, stages.Good, snapshot.State.Stages[2].Result)

	text, err := os.ReadFile(filepath.Join(dir, "2/exports/overlays/link"))
	require.NoError(t, err)
	require.Equal(t, "second", string(text))
	info, err := os.Stat(filepath.Join(dir, "2/exports/overlays/run.sh"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), info.Mode())
	if os.Geteuid() == 0 {
		differences, err := store.Verify(os.DirFS(dir), 2)
		require.NoError(t, err)
		require.Empty(t, differences)
	}
}

func TestNumbersAreNotUsedAgain(t *testing.T) {
	s := open(t, t.TempDir())
	require.Equal(t, 1, add(t, s, ""))
	require.Equal(t, 2, add(t, s, ""))
	require.NoError(t, s.SetNext(2))
	require.NoError(t, s.Judge(2, stages.Failed, at))
	require.NoError(t, s.Delete(1))
	require.Equal(t, 3, add(t, s, ""))
	all, err := s.Bundles()
	require.NoError(t, err)
	require.Equal(t, []int{2, 3}, all)
}

func TestPruneKeepsWhatCouldBeBooted(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for range 6 {
		add(t, s, "")
	}
	require.NoError(t, s.Judge(1, stages.Good, at))
	require.NoError(t, s.Judge(2, stages.Good, at))
	require.NoError(t, s.Name("mine", 3))
	require.NoError(t, s.SetNext(4))
	removed, err := s.Prune(5)
	require.NoError(t, err)
	require.Equal(t, []int{6}, removed)
	require.NoDirExists(t, filepath.Join(dir, "6"))
	for _, n := range []string{"1", "2", "3", "4", "5"} {
		require.DirExists(t, filepath.Join(dir, n))
	}
}

// TestOpenWaitsForTheLock relies on flock(2) excluding two open files of one process, too.
func TestOpenWaitsForTheLock(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	sys, err := store.Linux(dir)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = store.Open(ctx, sys)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "lock the stage store: wait for lock "+dir+"/.lock, held by process ")
}

func TestErrorsLeaveTheStoreAsItWas(t *testing.T) {
	full := func(w *store.Writer) error {
		if err := w.Dir("exports", 0o755); err != nil {
			return err
		}
		return w.File("exports/x", 0o644, io.MultiReader(strings.NewReader("half"), broken{}))
	}
	for what, c := range map[string]struct {
		do      func(*store.Store) error
		message string
	}{
		"content ends in an error": {adding(full), "add stage 2: no space left on device"},
		"path that leads out": {adding(func(w *store.Writer) error { return w.Dir("../x", 0o755) }),
			`add stage 2: path "../x" is not a path in a bundle`},
		"manifest of its own": {adding(func(w *store.Writer) error { return w.File("forklift-bundle.yml", 0o644, nil) }),
			"add stage 2: path forklift-bundle.yml is reserved: it is written with the bundle"},
		"twice": {adding(func(w *store.Writer) error { return errors.Join(w.Dir("a", 0o755), w.Symlink("a", "b")) }),
			"add stage 2: symlinkat b .new-2/a: file exists"},
		"next that is missing":   {func(s *store.Store) error { return s.SetNext(7) }, "stage 7 cannot be next: directory 7 does not exist"},
		"next that is no stage":  {func(s *store.Store) error { return s.SetNext(-1) }, "stage -1 cannot be next: -1 is not the number of a stage"},
		"name for missing stage": {func(s *store.Store) error { return s.Name("x", 7) }, "stage 7 cannot be named: directory 7 does not exist"},
		"reserved name":          {func(s *store.Store) error { return s.Name("next", 1) }, `stage name "next" is reserved for a role`},
		"unknown name":           {func(s *store.Store) error { return s.RemoveName("x") }, `stage name "x" is unknown`},
		"delete a missing stage": {func(s *store.Store) error { return s.Delete(7) }, "stage 7 does not exist"},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			require.NoError(t, s.SetNext(add(t, s, "")))
			before := listing(t, dir)
			require.EqualError(t, c.do(s), c.message)
			require.Equal(t, before, listing(t, dir))
		})
	}
}

func adding(fill func(*store.Writer) error) func(*store.Store) error {
	return func(s *store.Store) error {
		_, err := s.Add(context.Background(), []byte(manifest), fill)
		return err
	}
}

// broken is a reader that fails with ENOSPC.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestAddStopsWhenAsked(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := s.Add(ctx, []byte(manifest), func(w *store.Writer) error {
		cancel()
		return w.Dir("exports", 0o755)
	})
	require.EqualError(t, err, "add stage 1: context canceled")
	require.Equal(t, []string{".lock"}, listing(t, dir))
}

// TestStageThatIsALink has a symlink in place of a stage, which no command takes for one.
func TestStageThatIsALink(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	add(t, s, "first")
	require.NoError(t, os.Symlink("1", filepath.Join(dir, "8")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "9"), nil, 0o644))
	all, err := s.Bundles()
	require.NoError(t, err)
	require.Equal(t, []int{1}, all)
	require.EqualError(t, s.SetNext(8), "stage 8 cannot be next: 8 is not a directory")
	require.EqualError(t, s.Name("x", 8), "stage 8 cannot be named: 8 is not a directory")
	require.EqualError(t, s.Delete(8), "stage 8 does not exist")
	require.EqualError(t, s.SetNext(9), "stage 9 cannot be next: 9 is not a directory")
	require.EqualError(t, s.Delete(9), "stage 9 does not exist")
	prunable, err := s.Prunable()
	require.NoError(t, err)
	require.Equal(t, []int{1}, prunable)
	require.Equal(t, 10, add(t, s, "next"), "a number that is taken is not used")
}

// TestBrokenStore checks that a damaged store file is an error: a change would lose its content.
func TestBrokenStore(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, stages.StoreFile)
	require.NoError(t, os.WriteFile(name, []byte("staged: [1]\n"), 0o644))
	sys, err := store.Linux(dir)
	require.NoError(t, err)
	_, err = store.Open(context.Background(), sys)
	require.EqualError(t, err, "parse forklift-stage-store.yml: [1:9] sequence was used where mapping is expected"+
		" (to start with an empty store, which keeps the bundles, move forklift-stage-store.yml away)")
	require.NoError(t, os.Remove(name))
	require.NoError(t, os.WriteFile(filepath.Join(dir, stages.StateFile), []byte("{"), 0o644))
	add(t, open(t, dir), "")
}

// listing is all that is in a store, by name and content.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	require.NoError(t, filepath.Walk(dir, func(name string, info os.FileInfo, err error) error {
		if err != nil || name == dir {
			return err
		}
		line, _ := filepath.Rel(dir, name)
		if info.Mode().IsRegular() && line != ".lock" {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			line += " " + string(text)
		}
		out = append(out, line)
		return nil
	}))
	return out
}

// A symlink to a bundle is not a stage for any command.
func TestSymlinkIsNotAStage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	require.Equal(t, 1, add(t, s, ""))
	require.NoError(t, os.Symlink("1", filepath.Join(dir, "8")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "9"), nil, 0o644))
	all, err := s.Bundles()
	require.NoError(t, err)
	require.Equal(t, []int{1}, all)
	require.EqualError(t, s.SetNext(8), "stage 8 cannot be next: 8 is not a directory")
	require.EqualError(t, s.SetNext(9), "stage 9 cannot be next: 9 is not a directory")
	require.EqualError(t, s.Name("x", 8), "stage 8 cannot be named: 8 is not a directory")
	require.EqualError(t, stages.CheckBundle(os.DirFS(dir), 8), "8 is not a directory")
	require.EqualError(t, s.Delete(8), "stage 8 does not exist")
}
