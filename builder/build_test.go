package builder

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/internal/sha256sum"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// small returns a plan without packages: accounts, a user with a password, and a file beside the recipe.
func small(t *testing.T) (*Plan, options) {
	dir := write(t, map[string]string{"motd": "hello\n"})
	digest, err := sha256sum.File(t.Context(), filepath.Join(dir, "motd"))
	require.NoError(t, err)
	file := func(path, content string) layers.File {
		return layers.File{Path: path, Type: "file", Mode: 0o644, Content: content}
	}
	p := &Plan{
		Name: "small",
		Date: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		Layers: []Layer{
			{"base", layers.Files{Entries: []layers.File{
				file("/etc/passwd", "root:x:0:0:::\n"), file("/etc/shadow", "root:*:1::::::\n"),
				file("/etc/group", "root:x:0:\n"), file("/etc/gshadow", "root:*::\n"),
			}}},
			{"users", layers.Users{Users: []layers.User{{Name: "pi", UID: 1000, Shell: "/bin/sh", Password: "word"}}}},
			{"files", layers.Files{Entries: []layers.File{{Path: "/etc/motd", Type: "file", Mode: 0o644, Source: "motd", SHA256: digest}}}},
		},
		Disk: disk.Layout{Partitions: []disk.Partition{
			{Mount: disk.Firmware, Format: disk.FAT32, Size: 256 << 20},
			{Mount: "/", Format: disk.Ext4, UUID: uuid.NewSHA1(uuid.NameSpaceURL, []byte("small"))},
		}},
		Secrets: map[string]Secret{"word": {Env: "PKBUILD_TEST_WORD"}},
	}
	return p, options{Workspace{Dir: dir, Caches: Caches{Cache: t.TempDir()}}, filepath.Join(t.TempDir(), "small.img")}
}

// run builds an image and returns how each step ended.
func run(t *testing.T, ctx context.Context, p *Plan, o options) (ended []string, err error) {
	o.Events = func(e Event) {
		if e.State != Started && e.State != Running {
			ended = append(ended, e.Step+" "+string(e.State))
		}
	}
	err = buildImage(ctx, p, o)
	return ended, err
}

// copier is a layer that copies the tree below, as a script may do.
type copier struct{ To string }

func (copier) Kind() layers.Kind { return layers.Kind{Name: "copy", Copies: true} }

func (c copier) Make(_ context.Context, _ *layers.Env, below *tree.Tree) (*tree.Tree, error) {
	n := *below.Get("etc/shadow")
	n.ModTime = time.Now()
	t := tree.New()
	return t, t.Put(c.To, &n)
}

func TestBuildReusesLayersAndCachesNoSecrets(t *testing.T) {
	const password = "a password that is found nowhere else"
	t.Setenv("PKBUILD_TEST_WORD", password)
	p, o := small(t)
	p.Layers = slices.Insert(p.Layers, 1, Layer{"before", copier{"/etc/before"}})
	p.Layers = append(p.Layers, Layer{"after", copier{"/etc/after"}})
	ended, err := run(t, t.Context(), p, o)
	require.NoError(t, err)
	require.Equal(t, []string{"base done", "before done", "users done", "files done", "after done", "disk done"}, ended)
	first, err := os.ReadFile(o.Output)
	require.NoError(t, err)
	require.Contains(t, string(first), "pi:$6$rounds=", "the image has the password's hash")

	ended, err = run(t, t.Context(), p, o)
	require.NoError(t, err)
	require.Equal(t, []string{"base cached", "before cached", "users done", "files cached", "after done", "disk done"}, ended)
	second, err := os.ReadFile(o.Output)
	require.NoError(t, err)
	require.True(t, bytes.Equal(first, second), "two builds of one plan differ")

	require.NoError(t, filepath.WalkDir(o.Cache, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		require.NotContains(t, string(data), password, name)
		require.NotContains(t, string(data), "$6$", name)
		return err
	}))
}

// scribbler is a layer that is not cached and needs a scratch directory.
type scribbler struct{ dir *string }

func (scribbler) Kind() layers.Kind { return layers.Kind{Name: "scribble", Kept: true, Scratch: true} }

func (s scribbler) Make(_ context.Context, env *layers.Env, _ *tree.Tree) (*tree.Tree, error) {
	*s.dir = env.Scratch
	return tree.New(), os.WriteFile(filepath.Join(env.Scratch, "scribble"), nil, 0o644)
}

func TestUncachedLayerHasAScratchDirectory(t *testing.T) {
	p, o := small(t)
	dir := ""
	p.Layers = append(p.Layers, Layer{"scribble", scribbler{&dir}})
	_, err := run(t, t.Context(), p, o)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(o.Cache, "scratch"), filepath.Dir(dir))
	require.NoDirExists(t, dir)
}

func TestBuildWithoutASecretWarns(t *testing.T) {
	p, o := small(t)
	ended, err := run(t, t.Context(), p, o)
	require.NoError(t, err)
	require.Equal(t, []string{"base done", "users warning", "users done", "files done", "disk done"}, ended)
}

func TestFailedBuildKeepsTheOldImage(t *testing.T) {
	p, o := small(t)
	require.NoError(t, os.WriteFile(o.Output, []byte("old"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(o.Dir, "motd"), []byte("changed\n"), 0o644))
	ended, err := run(t, t.Context(), p, o)
	require.ErrorContains(t, err, "layer files: "+filepath.Join(o.Dir, "motd")+" changed since the plan was made")
	require.Equal(t, "files failed", ended[len(ended)-1])
	requireOnlyOld(t, o)
}

func TestInterruptedBuildKeepsTheOldImage(t *testing.T) {
	p, o := small(t)
	require.NoError(t, os.WriteFile(o.Output, []byte("old"), 0o644))
	ctx, cancel := context.WithCancel(t.Context())
	o.Events = func(e Event) {
		if e.Step == "disk" {
			cancel()
		}
	}
	require.ErrorIs(t, buildImage(ctx, p, o), context.Canceled)
	requireOnlyOld(t, o)
}

// requireOnlyOld checks that the old image is unchanged and that no other file was left.
func requireOnlyOld(t *testing.T, o options) {
	data, err := os.ReadFile(o.Output)
	require.NoError(t, err)
	require.Equal(t, "old", string(data))
	beside, err := os.ReadDir(filepath.Dir(o.Output))
	require.NoError(t, err)
	require.Len(t, beside, 1)
	scratch, err := os.ReadDir(filepath.Join(o.Cache, "scratch"))
	require.NoError(t, err)
	require.Empty(t, scratch)
}
