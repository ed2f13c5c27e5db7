package atomicfile

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
	require.EqualError(t, err, "lock "+name+": locked by another process")
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
	require.EqualError(t, err, "wait for lock "+name+": context deadline exceeded")
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
