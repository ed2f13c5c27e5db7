package layers

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/treetest"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

var storeTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestStoreMakesALayerOnce(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	var made atomic.Int32
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			c, _, err := s.Put(t.Context(), Key{1}, Record{}, storeTime, func(context.Context) (*tree.Tree, error) {
				made.Add(1)
				return treetest.New(t, "f a x"), nil
			})
			require.NoError(t, err)
			require.Equal(t, []string{"f a x"}, treetest.List(t, c.Tree))
			require.NoError(t, c.Close())
		})
	}
	wait.Wait()
	require.Equal(t, int32(1), made.Load())
	c, hit, err := s.Put(t.Context(), Key{1}, Record{}, storeTime, nil)
	require.NoError(t, err)
	require.True(t, hit)
	require.NoError(t, c.Close())
}

// TestStoreReadsASharedOne uses layers of a shared cache without copying them, and makes missing ones in its own cache.
func TestStoreReadsASharedOne(t *testing.T) {
	theirs := Store{Dir: t.TempDir()}
	own := Store{Dir: filepath.Join(t.TempDir(), "own"), Shared: theirs.Dir}
	put := func(s Store, key byte) (hit bool) {
		c, hit, err := s.Put(t.Context(), Key{key}, Record{Name: "x"}, storeTime, func(context.Context) (*tree.Tree, error) { return treetest.New(t, "f a x"), nil })
		require.NoError(t, err)
		require.Equal(t, []string{"f a x"}, treetest.List(t, c.Tree))
		require.NoError(t, c.Close())
		return hit
	}
	require.False(t, put(theirs, 1))
	require.True(t, put(own, 1))
	require.NoDirExists(t, own.Dir)
	r, err := own.Record(Key{1})
	require.NoError(t, err)
	require.Equal(t, "x", r.Name)
	require.False(t, put(own, 2))
	require.True(t, put(own, 2))
	_, err = theirs.Get(Key{2})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestStoreKeepsNothingOfAFailure(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	_, _, err := s.Put(t.Context(), Key{1}, Record{}, storeTime, func(context.Context) (*tree.Tree, error) { return nil, errors.New("no") })
	require.EqualError(t, err, "no")
	_, _, err = s.Put(t.Context(), Key{1}, Record{}, storeTime, func(context.Context) (*tree.Tree, error) {
		socket := tree.New()
		return socket, socket.Put("s", &tree.Node{Type: tree.Socket})
	})
	require.ErrorContains(t, err, "a tar cannot hold a socket")
	_, err = s.Get(Key{1})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoFileExists(t, s.path(Key{1})+".tmp")
}

func TestStoreIsInterruptedWhileItWrites(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	ctx, cancel := context.WithCancel(t.Context())
	_, _, err := s.Put(ctx, Key{1}, Record{}, storeTime, func(context.Context) (*tree.Tree, error) {
		cancel()
		return treetest.New(t, "f a x"), nil
	})
	require.ErrorIs(t, err, context.Canceled)
	files, err := filepath.Glob(s.Dir + "/*.t*")
	require.NoError(t, err)
	require.Equal(t, []string{s.lock(Key{1})}, files)
}

func TestStoreReplacesWhatAKilledBuildLeft(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	require.NoError(t, os.WriteFile(s.path(Key{1})+".tmp", []byte("half a layer"), 0o644))
	c, hit, err := s.Put(t.Context(), Key{1}, Record{}, storeTime, func(context.Context) (*tree.Tree, error) { return treetest.New(t, "f a x"), nil })
	require.NoError(t, err)
	require.False(t, hit)
	require.NoError(t, c.Close())
}

func TestStoreNamesABrokenLayer(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	require.NoError(t, os.WriteFile(s.path(Key{1}), make([]byte, 700), 0o644))
	_, err := s.Get(Key{1})
	require.ErrorContains(t, err, s.path(Key{1}))
	require.ErrorContains(t, err, "delete it to build it again")
}

func TestKeyDependsOnAllInputs(t *testing.T) {
	base := Files{Entries: []File{{Path: "/a", Type: "file", Content: "x"}}}
	other := Files{Entries: []File{{Path: "/a", Type: "file", Content: "y"}}}
	keys := map[Key]string{}
	for name, k := range map[string]struct {
		l     Layer
		below Key
	}{"base": {base, Key{}}, "content": {other, Key{}}, "below": {base, Key{1}}, "kind": {Users{}, Key{}}} {
		key, err := KeyOf(k.l, k.below)
		require.NoError(t, err)
		require.Empty(t, keys[key], name)
		keys[key] = name
	}
	again, err := KeyOf(base, Key{})
	require.NoError(t, err)
	require.Equal(t, "base", keys[again])
}
