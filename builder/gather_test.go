package builder

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/recipes"
)

// TestCompileIsPure: once the sources are gathered, nothing is read from the disk.
func TestCompileIsPure(t *testing.T) {
	recipe := func() *recipes.Recipe {
		r := loaded(t)
		r.Layers = append(r.Layers, recipes.Layer{Files: []recipes.File{{Target: "/srv", Source: "pallet"}}},
			recipes.Layer{Run: &recipes.Run{File: "pallet/a/b", Inputs: []string{"keys"}}})
		return r
	}
	want, err := compile(t, recipe(), GatherOptions{})
	require.NoError(t, err)
	r := recipe()
	l := lockOf(t, r)
	s := gather(t, r)
	require.NoError(t, os.RemoveAll(r.Dir))
	got, err := Compile(s, programs)
	require.NoError(t, err)
	require.Equal(t, want, got)
	asked, err := s.Request()
	require.NoError(t, err)
	require.NoError(t, l.Check(asked))
}

// TestGatherSkipsBundles: the check of a lock needs no downloads.
func TestGatherSkipsBundles(t *testing.T) {
	u := newUpstream(t)
	cache := t.TempDir()
	l := u.lock(t, cache)
	u.gone(t)
	require.NoError(t, os.RemoveAll(cache+"/pallets/downloads"))
	s, err := Gather(t.Context(), u.recipe, GatherOptions{Cache: cache, Lock: l, SkipBundles: true})
	require.NoError(t, err)
	asked, err := s.Request()
	require.NoError(t, err)
	require.NoError(t, l.Check(asked))
}

func TestGatherErrors(t *testing.T) {
	for want, change := range map[string]func(*recipes.Recipe){
		"signing keys of repository vendor: ": func(r *recipes.Recipe) { r.Repositories[0].SignedBy = "none" },
		"pallet none: ":                       func(r *recipes.Recipe) { r.Layers[1].Stage.Pallet = "none" },
		"none: no such file":                  func(r *recipes.Recipe) { r.Layers[0] = recipes.Layer{Run: &recipes.Run{File: "none"}} },
		"/dev/null is neither a file, a directory nor a symlink": func(r *recipes.Recipe) {
			r.Layers[0] = recipes.Layer{Files: []recipes.File{{Target: "/x", Source: "/dev/null"}}}
		},
	} {
		r := loaded(t)
		change(r)
		_, err := Gather(t.Context(), r, GatherOptions{})
		require.ErrorContains(t, err, want)
	}
}

// TestPrivateKeysAreRefused: a file or a directory with a private key does not get into an image.
func TestPrivateKeysAreRefused(t *testing.T) {
	dir := write(t, map[string]string{
		"files/etc/ssh/ssh_host_ed25519_key": "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", "files/etc/motd": "hello\n",
		"pi.yml": "name: pi\nbase: {debian: {suite: trixie}}\nlayers:\n  - files: [{target: /, source: files}]\n",
	})
	t.Chdir(dir)
	r, err := recipes.Load("pi.yml", recipes.Options{})
	require.NoError(t, err)
	_, err = Gather(t.Context(), r, GatherOptions{})
	require.EqualError(t, err, "pi.yml:4:33: layers[0].files[0].source: files/etc/ssh/ssh_host_ed25519_key is a private key, "+
		"which everybody who has the image could read; write it in a run layer, from a secret")
}
