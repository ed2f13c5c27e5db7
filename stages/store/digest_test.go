package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

func TestVerify(t *testing.T) {
	needs.Root(t) // the owner of a store
	dir := t.TempDir()
	add(t, open(t, dir), "text")
	at := func(name string) string { return filepath.Join(dir, "1", name) }
	for _, err := range []error{
		os.WriteFile(at("exports/overlays/motd"), []byte("tent"), 0o644),
		os.WriteFile(at("exports/new"), nil, 0o644),
		os.Chmod(at("exports"), 0o700),
		os.Remove(at("exports/overlays/run.sh")),
		os.Remove(at("exports/overlays/link")),
		os.Symlink("/etc/shadow", at("exports/overlays/link")),
		os.Remove(at("forklift-bundle.yml")),
		os.Mkdir(at("forklift-bundle.yml"), 0o755),
		os.Chown(at("exports/new"), 1000, 0),
	} {
		require.NoError(t, err)
	}
	differences, err := store.Verify(os.DirFS(dir), 1)
	require.NoError(t, err)
	require.Equal(t, []string{
		"exports/new: added since staging",
		"exports/new: owner is user 1000, want root",
		"exports/overlays/link: link target changed from motd to /etc/shadow",
		"exports/overlays/motd: content changed",
		"exports/overlays/run.sh: missing",
		"exports: mode changed from 0755 to 0700",
		"forklift-bundle.yml: type changed from file to directory",
	}, differences)
}

func TestVerifyErrors(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "1"), 0o755))
	_, err := store.Verify(os.DirFS(dir), 1)
	require.EqualError(t, err, "verify stage 1: the bundle has no digests.json: it was staged by another tool")
	require.ErrorIs(t, err, store.ErrNoDigests)
	for text, message := range map[string]string{
		"{":             "verify stage 1: parse digests.json: unexpected end of JSON input",
		`{"version":2}`: "verify stage 1: parse digests.json: version is 2, want 1",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "1", store.DigestFile), []byte(text), 0o644))
		_, err := store.Verify(os.DirFS(dir), 1)
		require.EqualError(t, err, message)
	}
	_, err = store.Verify(os.DirFS(dir), 2)
	require.EqualError(t, err, "verify stage 2: stat 2: no such file or directory")
}

// A bundle whose layer leads out of it can be neither written nor exported, and verify reports it.
func TestHostileLayers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for what, write := range map[string]func(*store.Writer) error{
		"a link": func(w *store.Writer) error { return w.Symlink("exports/overlays/etc", "/") },
		"a file": func(w *store.Writer) error { return w.File("exports/overlays/etc", 0o644, strings.NewReader("")) },
	} {
		_, err := s.Add(t.Context(), []byte(manifest), func(w *store.Writer) error {
			require.NoError(t, w.Dir("exports", 0o755))
			require.NoError(t, w.Dir("exports/overlays", 0o755))
			return write(w)
		})
		require.EqualError(t, err, "add stage 1: path exports/overlays/etc must be a directory", what)
	}
	add(t, s, "text")
	require.NoError(t, os.Symlink("/", filepath.Join(dir, "1/exports/overlays/etc")))
	differences, err := store.Verify(os.DirFS(dir), 1)
	require.NoError(t, err)
	require.Contains(t, differences, "1/exports/overlays/etc is not a directory")
}
