package ext4image

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// source returns a directory with a file and a whiteout.
func source(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "motd"), []byte("hello\n"), 0o644))
	require.NoError(t, os.Chtimes(filepath.Join(dir, "motd"), time.Unix(1e9, 0), time.Unix(1e9, 0)))
	require.NoError(t, os.Chtimes(dir, time.Unix(1e9, 0), time.Unix(1e9, 0)))
	return dir
}

func TestWriteIsReproducible(t *testing.T) {
	dir, out := source(t), t.TempDir()
	o := Options{Source: dir, Output: filepath.Join(out, "a"), Free: 8 << 20, Label: "data"}
	first, err := Write(t.Context(), o)
	require.NoError(t, err)
	require.Zero(t, first.Size%sizeUnit)
	require.GreaterOrEqual(t, first.Free, o.Free)
	require.Positive(t, first.Reserved)
	require.Equal(t, "2001-09-09T01:46:40Z", first.Made)
	require.EqualValues(t, 2, first.Entries)
	o.Output = filepath.Join(out, "b")
	second, err := Write(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, first.UUID, second.UUID)
	a, err := os.ReadFile(first.File)
	require.NoError(t, err)
	b, err := os.ReadFile(second.File)
	require.NoError(t, err)
	require.Equal(t, a, b)
	o.Label = "other"
	third, err := Write(t.Context(), o)
	require.NoError(t, err)
	require.NotEqual(t, first.UUID, third.UUID, "the UUID depends on the label")
}

func TestWriteWithGivenValues(t *testing.T) {
	id := uuid.MustParse("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
	o := Options{Source: source(t), Output: filepath.Join(t.TempDir(), "x"), Size: 32 << 20, UUID: id, Now: time.Unix(2e9, 0)}
	i, err := Write(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, int64(32<<20), i.Size)
	require.Equal(t, id.String(), i.UUID)
	require.Equal(t, "2033-05-18T03:33:20Z", i.Made)
	o.Size = 100_000
	_, err = Write(t.Context(), o)
	require.ErrorContains(t, err, "size of the file system is 100000 bytes, but its files need ")
}

func TestWriteFromTar(t *testing.T) {
	dir := source(t)
	tar := filepath.Join(t.TempDir(), "x.tar")
	require.NoError(t, exec.Command(needs.Program(t, "tar"), "-C", dir, "-cf", tar, ".").Run())
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".wh.gone"), nil, 0o644))
	whiteouts := filepath.Join(t.TempDir(), "y.tar")
	require.NoError(t, exec.Command("tar", "-C", dir, "-cf", whiteouts, ".").Run())
	for source, want := range map[string][]string{tar: nil, whiteouts: {"whiteout /.wh.gone is left out: there is no layer below"}} {
		var warnings []string
		_, err := Write(t.Context(), Options{Source: source, Output: filepath.Join(t.TempDir(), "x"),
			Warn: func(line string) { warnings = append(warnings, line) }})
		require.NoError(t, err)
		require.Equal(t, want, warnings)
	}
}

func TestWriteErrors(t *testing.T) {
	dir := source(t)
	for name, test := range map[string]struct{ source, output, err string }{
		"missing source":   {filepath.Join(dir, "none"), "x", "no such file or directory"},
		"output in source": {dir, filepath.Join(dir, "x"), "output lies in the source directory; write it elsewhere"},
		"not a tar":        {filepath.Join(dir, "motd"), filepath.Join(t.TempDir(), "x"), "read tar: entry at byte 0"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Write(t.Context(), Options{Source: test.source, Output: test.output})
			require.ErrorContains(t, err, test.err)
			require.NoFileExists(t, test.output)
		})
	}
}

// TestReadInputIsInterrupted cancels the reading of a pipe without a writer.
func TestReadInputIsInterrupted(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err = readInput(ctx, r, t.TempDir())
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestCreationTime(t *testing.T) {
	now := time.Unix(1e9, 0)
	require.Equal(t, time.Unix(0, 0), creationTime(time.Unix(-5, 0), now))
	require.Equal(t, now, creationTime(time.Unix(2e9, 0), now))
	require.Equal(t, time.Unix(5, 0), creationTime(time.Unix(5, 0), now))
}
