package atomicfile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestReplaceTogether: of several who write one file, each writes it whole.
func TestReplaceTogether(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 20 {
				require.NoError(t, Replace(name, func(f *os.File) error {
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

func TestReplaceThatFailsLeavesTheOldFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(name, []byte("old"), 0o644))
	require.EqualError(t, Replace(name, func(*os.File) error { return errors.New("no") }), "no")
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, "old", string(got))
	require.NoFileExists(t, name+".tmp")
}

// TestLockIsRemovedByWhoHoldsIt: who waits for a lock whose file is removed gets one that others wait for, too.
func TestLockIsRemovedByWhoHoldsIt(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	first, err := Lock(t.Context(), name)
	require.NoError(t, err)
	busy, err := TryLock(name)
	require.NoError(t, err)
	require.Nil(t, busy)
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
	busy, err = TryLock(name)
	require.NoError(t, err)
	require.Nil(t, busy, "the lock is held")
	require.NoError(t, unlock())
	free, err := TryLock(name)
	require.NoError(t, err)
	require.NoError(t, free())
}
