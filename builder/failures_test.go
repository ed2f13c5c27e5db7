package builder

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// broken is a layer that writes a file and fails.
type broken struct{}

func (broken) Kind() layers.Kind { return layers.Kind{Name: "broken", Version: 1} }

func (broken) Make(_ context.Context, env *layers.Env, _ *tree.Tree) (*tree.Tree, error) {
	name := "thrown away"
	if env.Keep {
		name = "kept"
	}
	return nil, errors.Join(errors.New("script of vim: exit status 1"), os.WriteFile(filepath.Join(env.Scratch, name), nil, 0o644))
}

func TestKeepFailed(t *testing.T) {
	p, o := small(t)
	p.Layers = append(p.Layers, Layer{"broken", broken{}})
	scratch := filepath.Join(o.Cache, "scratch")

	require.EqualError(t, buildImage(t.Context(), p, o), "layer broken: script of vim: exit status 1")
	left, err := os.ReadDir(scratch)
	require.NoError(t, err)
	require.Empty(t, left)

	o.KeepFailed = true
	err = buildImage(t.Context(), p, o)
	text, dir, ok := strings.Cut(err.Error(), "\nscratch directory kept: ")
	require.True(t, ok, err)
	require.Equal(t, "layer broken: script of vim: exit status 1", text)
	require.Equal(t, scratch, filepath.Dir(dir))
	require.FileExists(t, filepath.Join(dir, "kept"))

	o.KeepFailed = false
	require.Error(t, buildImage(t.Context(), p, o))
	require.NoDirExists(t, dir, "the next build cleans up")
}

// TestFullDiskBelowTheCache: the error names the file, no incomplete file is left, and with more space the build succeeds.
func TestFullDiskBelowTheCache(t *testing.T) {
	needs.Root(t) // to mount a small file system
	p, o := small(t)
	p.Layers = append(p.Layers, oneFile("big", "/big", strings.Repeat("0123456789abcdef", 1<<16)))
	require.NoError(t, syscall.Mount("tmpfs", o.Cache, "tmpfs", 0, "size=512k"))
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(o.Cache, 0)) })
	err := buildImage(t.Context(), p, o)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "layer big: write layer "+filepath.Join(o.Cache, "layers"))
	require.NoFileExists(t, o.Output)
	pruned, err := Cache{o.Cache}.Prune(t.Context(), -1, false)
	require.NoError(t, err)
	require.Empty(t, pruned.Removed, "no incomplete file is left")

	require.NoError(t, syscall.Mount("tmpfs", o.Cache, "tmpfs", syscall.MS_REMOUNT, "size=64m"))
	ended, err := run(t, t.Context(), p, o)
	require.NoError(t, err)
	require.Contains(t, ended, "base cached")
	require.Contains(t, ended, "big done")
}

// TestInterruptedBuild: an interrupted build ends, leaves no incomplete file, and the next one succeeds.
func TestInterruptedBuild(t *testing.T) {
	p, o := small(t)
	_, err := run(t, t.Context(), p, o)
	require.NoError(t, err)
	want, err := os.ReadFile(o.Output)
	require.NoError(t, err)
	for _, at := range []string{"base started", "base done", "files started", "files done", "disk started", "disk running"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			o := o
			o.Cache, o.Output = t.TempDir(), filepath.Join(t.TempDir(), "small.img")
			ctx, cancel := context.WithCancel(t.Context())
			o.Events = func(e Event) {
				if e.Step+" "+string(e.State) == at {
					cancel()
				}
			}
			require.ErrorIs(t, buildImage(ctx, p, o), context.Canceled)
			beside, err := os.ReadDir(filepath.Dir(o.Output))
			require.NoError(t, err)
			require.Empty(t, beside)
			pruned, err := Cache{o.Cache}.Prune(t.Context(), -1, false)
			require.NoError(t, err)
			require.Empty(t, pruned.Removed)
			_, err = run(t, t.Context(), p, o)
			require.NoError(t, err)
			got, err := os.ReadFile(o.Output)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}
