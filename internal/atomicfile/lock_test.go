package atomicfile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/waiting"
)

// TestLockAfterHolderDeletedFile: a process that waited for the deleted file holds a lock that others wait for.
func TestLockAfterHolderDeletedFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	first, err := Lock(t.Context(), name)
	require.NoError(t, err)
	_, err = TryLock(name)
	require.ErrorIs(t, err, ErrLocked)
	second := make(chan func() error)
	go func() {
		unlock, err := Lock(t.Context(), name)
		require.NoError(t, err)
		second <- unlock
	}()
	time.Sleep(20 * time.Millisecond) // most likely it waits now; the test holds if it does not
	require.NoError(t, os.Remove(name))
	require.NoError(t, first())
	unlock := <-second
	require.FileExists(t, name)
	_, err = TryLock(name)
	require.EqualError(t, err, "lock "+name+": file is locked by another process")
	require.NoError(t, unlock())
	free, err := TryLock(name)
	require.NoError(t, err)
	require.NoError(t, free())
}

func TestSharedLocksExcludeExclusive(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	first, err := RLock(t.Context(), name)
	require.NoError(t, err)
	second, err := RLock(t.Context(), name)
	require.NoError(t, err)
	require.NoError(t, first())
	_, err = TryLock(name)
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, second())
	free, err := TryLock(name)
	require.NoError(t, err)
	require.NoError(t, free())
}

func TestLockStopsWithContext(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), name)
	require.NoError(t, err)
	defer func() { require.NoError(t, unlock()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = Lock(ctx, name)
	require.EqualError(t, err, fmt.Sprintf("wait for lock %s, held by process %d (atomicfile.test): context deadline exceeded", name, os.Getpid()))
}

// TestOthersCannotOpenLock: whoever can open a lock file can hold the lock.
func TestOthersCannotOpenLock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), name)
	require.NoError(t, err)
	require.NoError(t, unlock())
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

func TestLockWithin(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), name)
	require.NoError(t, err)
	messages := make(chan string, 10)
	ctx := waiting.With(t.Context(), waiting.Notifier{After: 10 * time.Millisecond, Every: time.Hour, Notify: func(m string) { messages <- m }})
	_, err = LockWithin(ctx, name, 50*time.Millisecond)
	require.ErrorIs(t, err, ErrLocked)
	by := fmt.Sprintf("lock %s, held by process %d (atomicfile.test)", name, os.Getpid())
	require.EqualError(t, err, "file is locked by another process: waited 50ms for "+by)
	require.Contains(t, <-messages, "waiting for "+by+", for ")
	require.NoError(t, unlock())
	unlock, err = LockWithin(ctx, name, 50*time.Millisecond)
	require.NoError(t, err)
	require.NoError(t, unlock())
}
