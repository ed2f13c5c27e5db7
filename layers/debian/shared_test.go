package debian

import (
	"encoding/json"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// What several tests begin with is made once. They do not change it.
var (
	locks memo[[]Lock]
	trees memo[*tree.Tree]
)

// memo makes one thing of each layer that it is asked for.
type memo[T any] struct {
	mu   sync.Mutex
	made map[string]func() (T, error)
}

func (m *memo[T]) of(l Layer, make func() (T, error)) (T, error) {
	key, err := json.Marshal(l)
	if err != nil {
		return *new(T), err
	}
	return m.once(string(key), make)()
}

func (m *memo[T]) once(key string, make func() (T, error)) func() (T, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.made == nil {
		m.made = map[string]func() (T, error){}
	}
	if m.made[key] == nil {
		m.made[key] = sync.OnceValues(make)
	}
	return m.made[key]
}

// baseLock pins the essential packages of a layer's architecture, and those that it names.
func baseLock(t *testing.T, env *layers.Env, l Layer) *Lock {
	t.Helper()
	all, err := locks.of(l, func() ([]Lock, error) { return Resolve(t.Context(), env, nil, l) })
	if err != nil {
		needs.Unavailable(t, "resolve: %v", err)
	}
	return &Lock{Packages: slices.Clone(all[0].Packages), Tools: slices.Clone(all[0].Tools)}
}

// baseTree is the tree of a layer.
func baseTree(t *testing.T, env *layers.Env, l Layer) *tree.Tree {
	t.Helper()
	tree, err := trees.of(l, func() (*tree.Tree, error) { return l.Make(t.Context(), env, nil) })
	require.NoError(t, err)
	return tree
}
