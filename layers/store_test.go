package layers

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStoreMakesALayerOnce(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	var made atomic.Int32
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			c, _, err := s.Put(t.Context(), Key{1}, Record{}, latest, func(context.Context) (*Tree, error) {
				made.Add(1)
				return tree(t, "f a x"), nil
			})
			require.NoError(t, err)
			require.Equal(t, []string{"f a x"}, list(t, c.Tree))
			require.NoError(t, c.Close())
		})
	}
	wait.Wait()
	require.Equal(t, int32(1), made.Load())
	c, hit, err := s.Put(t.Context(), Key{1}, Record{}, latest, nil)
	require.NoError(t, err)
	require.True(t, hit)
	require.NoError(t, c.Close())
}

func TestStoreKeepsNothingOfAFailure(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	_, _, err := s.Put(t.Context(), Key{1}, Record{}, latest, func(context.Context) (*Tree, error) { return nil, errors.New("no") })
	require.EqualError(t, err, "no")
	_, _, err = s.Put(t.Context(), Key{1}, Record{}, latest, func(context.Context) (*Tree, error) {
		socket := NewTree()
		return socket, socket.Put("s", &Node{Type: Socket})
	})
	require.ErrorContains(t, err, "a tar cannot hold a socket")
	_, err = s.Get(Key{1})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoFileExists(t, s.path(Key{1})+".tmp")
}

func TestStoreReplacesWhatAKilledBuildLeft(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	require.NoError(t, os.WriteFile(s.path(Key{1})+".tmp", []byte("half a layer"), 0o644))
	c, hit, err := s.Put(t.Context(), Key{1}, Record{}, latest, func(context.Context) (*Tree, error) { return tree(t, "f a x"), nil })
	require.NoError(t, err)
	require.False(t, hit)
	require.NoError(t, c.Close())
}

func TestStoreNamesABrokenLayer(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	require.NoError(t, os.WriteFile(s.path(Key{1}), make([]byte, 700), 0o644))
	_, err := s.Get(Key{1})
	require.ErrorContains(t, err, s.path(Key{1}))
	require.ErrorContains(t, err, "delete it to have it made again")
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
