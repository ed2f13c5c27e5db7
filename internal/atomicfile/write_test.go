package atomicfile

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWriteSetsContentAndMode(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	name := filepath.Join(t.TempDir(), "f")
	for _, mode := range []fs.FileMode{0o644, 0o600} {
		require.NoError(t, Write(name, []byte(mode.String()), mode))
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, mode.String(), string(got))
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode())
	}
	require.NoFileExists(t, name+".tmp")
}

// TestWriteReplacesAbandonedTemporary covers everything that a killed process or another user can leave under the
// temporary name. Nothing is written through it.
func TestWriteReplacesAbandonedTemporary(t *testing.T) {
	for kind, leave := range map[string]func(tmp, other string) error{
		"file":       func(tmp, _ string) error { return os.WriteFile(tmp, []byte("half"), 0o644) },
		"unreadable": func(tmp, _ string) error { return os.WriteFile(tmp, []byte("half"), 0) },
		"symlink":    func(tmp, other string) error { return os.Symlink(other, tmp) },
		"dangling":   func(tmp, _ string) error { return os.Symlink("missing", tmp) },
		"hardlink":   func(tmp, other string) error { return os.Link(other, tmp) },
		"fifo":       func(tmp, _ string) error { return syscall.Mkfifo(tmp, 0o644) },
	} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			name, other := filepath.Join(dir, "f"), filepath.Join(dir, "other")
			require.NoError(t, os.WriteFile(other, []byte("other"), 0o644))
			require.NoError(t, leave(name+".tmp", other))
			require.NoError(t, Write(name, []byte("new"), 0o644))
			for file, want := range map[string]string{name: "new", other: "other"} {
				got, err := os.ReadFile(file)
				require.NoError(t, err)
				require.Equal(t, want, string(got))
			}
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, entries, 2)
		})
	}
}

func TestWriteReportsDirectoryAtTemporaryName(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.Mkdir(name+".tmp", 0o755))
	require.EqualError(t, Write(name, nil, 0o644), "replace "+name+".tmp: is a directory")
}

func TestWriteErrors(t *testing.T) {
	dir := t.TempDir()
	require.EqualError(t, Write(filepath.Join(dir, "no", "f"), nil, 0o644), "open "+dir+"/no: no such file or directory")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "taken", "sub"), 0o755))
	require.EqualError(t, Write(filepath.Join(dir, "taken"), nil, 0o644), "replace "+dir+"/taken: file exists")
	require.NoFileExists(t, filepath.Join(dir, "taken.tmp"))
}

func TestCommitOfDeletedFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	p, err := Create(t.Context(), name)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name+".tmp2", []byte("other"), 0o644))
	require.NoError(t, os.Rename(name+".tmp2", name+".tmp"))
	require.EqualError(t, p.Commit(), "replace "+name+": another process deleted "+name+".tmp")
	require.NoError(t, p.Close())
	require.FileExists(t, name+".tmp", "it is not this process's")
}

func TestWriteInStaysInRoot(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "root"), 0o755))
	require.NoError(t, os.Symlink("..", filepath.Join(dir, "root", "up")))
	root, err := os.OpenRoot(filepath.Join(dir, "root"))
	require.NoError(t, err)
	defer root.Close()
	require.ErrorContains(t, WriteIn(root, "up/f", nil, 0o644), "path escapes from parent")
	require.NoError(t, root.Mkdir("sub", 0o755))
	require.NoError(t, WriteIn(root, "sub/f", []byte("new"), 0o644))
	got, err := root.ReadFile("sub/f")
	require.NoError(t, err)
	require.Equal(t, "new", string(got))
}

// TestReplaceConcurrently: each of several writers writes its file whole.
func TestReplaceConcurrently(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 20 {
				require.NoError(t, Replace(t.Context(), name, func(f *os.File) error {
					for range 10 {
						_, err := f.Write(bytes.Repeat([]byte{byte(i)}, 100))
						require.NoError(t, err)
					}
					return nil
				}))
				got, err := os.ReadFile(name)
				require.NoError(t, err)
				require.Equal(t, bytes.Repeat(got[:1], 1000), got)
			}
		})
	}
	group.Wait()
	require.NoFileExists(t, name+".tmp")
}

func TestFailedReplaceKeepsOldFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(name, []byte("old"), 0o644))
	require.EqualError(t, Replace(t.Context(), name, func(*os.File) error { return errors.New("no") }), "no")
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, "old", string(got))
	require.NoFileExists(t, name+".tmp")
}

func TestCreateStopsWaitingWithContext(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	first, err := Create(t.Context(), name)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = Create(ctx, name)
	require.ErrorContains(t, err, "wait for lock "+name+".tmp, held by process ")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, first.Close())
	require.NoFileExists(t, name+".tmp")
}

// TestCreateConcurrently: a new temporary file that another writer took for abandoned is not used.
func TestCreateConcurrently(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for range 200 {
				p, err := Create(t.Context(), name)
				require.NoError(t, err)
				require.True(t, isCurrent(p.root, "f.tmp", p.File))
				require.NoError(t, p.Close())
			}
		})
	}
	group.Wait()
}
