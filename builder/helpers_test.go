package builder

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/builder/lock"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// options are where a test builds a disk image.
type options struct {
	Workspace
	Output string
}

func buildImage(ctx context.Context, p *Plan, o options) error {
	return Build(ctx, p, o.Workspace, Output{Path: o.Output})
}

// gather gathers the sources of a recipe that needs no cache.
func gather(t *testing.T, r *recipes.Recipe) *Sources {
	t.Helper()
	s, err := Gather(t.Context(), r, GatherOptions{})
	require.NoError(t, err)
	return s
}

// compile gathers and compiles a recipe with stand-ins for the programs.
func compile(t *testing.T, r *recipes.Recipe, o GatherOptions) (*Plan, error) {
	t.Helper()
	s, err := Gather(t.Context(), r, o)
	if err != nil {
		return nil, err
	}
	return Compile(s, programs)
}

// locked are the options of Gather with a lock.
func locked(l *lock.Lock) GatherOptions { return GatherOptions{Lock: l} }

// request returns what a recipe asks of its lock.
func request(t *testing.T, r *recipes.Recipe) lock.Request {
	t.Helper()
	got, err := gather(t, r).Request()
	require.NoError(t, err)
	return got
}
