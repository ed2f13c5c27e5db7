package builder

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/boot"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// oneFile returns a layer of a plan with one file.
func oneFile(name, path, content string) Layer {
	return Layer{name, layers.Files{Entries: []layers.File{{Path: path, Type: "file", Mode: 0o644, Content: content}}}}
}

// reasons returns the reasons of Why by layer.
func reasons(t *testing.T, p *Plan, o options) map[string][]string {
	t.Helper()
	all, err := Why(p, o.Dir, o.Caches)
	require.NoError(t, err)
	out := map[string][]string{}
	for _, r := range all {
		require.Equal(t, r.Cached, r.Made != nil, r.Layer)
		require.Len(t, r.Key, 64)
		out[r.Layer] = r.Reasons
		if r.Cached {
			out[r.Layer] = append([]string{"cached"}, r.Reasons...)
		}
	}
	return out
}

const secretReason = "rebuilt for every image: may hold secrets"

func TestWhy(t *testing.T) {
	p, o := small(t)
	p.Layers = append(p.Layers, oneFile("files", "/etc/hostname", "a\n"))
	const never = "no earlier build of this recipe in this cache"
	require.Equal(t, map[string][]string{"base": {never}, "users": {secretReason, never},
		"files": {never}, "files 2": {never}}, reasons(t, p, o))
	entries, err := os.ReadDir(o.Cache)
	require.NoError(t, err)
	require.Empty(t, entries, "Why writes no files")

	_, err = run(t, t.Context(), p, o)
	require.NoError(t, err)
	cached := map[string][]string{"base": {"cached"}, "users": {secretReason}, "files": {"cached"}, "files 2": {"cached"}}
	require.Equal(t, cached, reasons(t, p, o))

	base, motd := p.Layers[0], p.Layers[2]
	for name, test := range map[string]struct {
		change func(p *Plan)
		want   map[string][]string
	}{
		"content": {func(p *Plan) { p.Layers[3] = oneFile("files", "/etc/hostname", "b\n") },
			map[string][]string{"files 2": {"/etc/hostname: content differs"}}},
		"source": {func(p *Plan) {
			changed := motd.Layer.(layers.Files).Entries[0]
			changed.SHA256 = "other"
			p.Layers[2].Layer = layers.Files{Entries: []layers.File{changed}}
		}, map[string][]string{"files": {"/etc/motd: content differs"}, "files 2": {"layer below changed: files"}}},
		"two files": {func(p *Plan) {
			p.Layers[3].Layer = layers.Files{Entries: []layers.File{{Path: "/x", Type: "directory", Mode: 0o755}}}
		}, map[string][]string{"files 2": {"/etc/hostname removed", "/x added"}}},
		"users": {func(p *Plan) {
			p.Layers[1].Layer = layers.Users{Users: []layers.User{{Name: "pi", UID: 1001, Shell: "/bin/sh", Password: "word"}}}
		}, map[string][]string{"users": {secretReason, "users: pi: uid: 1000 → 1001"}, "files": {"layer below changed: users"}, "files 2": {"layer below changed: users"}}},
		"date": {func(p *Plan) { p.Date = p.Date.AddDate(0, 0, 1) }, map[string][]string{"base": {"layer below changed"},
			"files": {"layer below changed"}, "files 2": {"layer below changed"}}},
		"new": {func(p *Plan) { p.Layers = append(p.Layers, oneFile("last", "/y", "")) },
			map[string][]string{"last": {"new layer"}}},
		"kind": {func(p *Plan) { p.Layers[3] = Layer{"files", boot.Layer{}} },
			map[string][]string{"files 2": {"rebuilt for every image: quick to build", "kind: files → boot"}}},
		"mode": {func(p *Plan) {
			e := base.Layer.(layers.Files).Entries[0]
			e.Mode = 0o600
			p.Layers[3].Layer = layers.Files{Entries: []layers.File{{Path: "/etc/hostname", Type: "file", Mode: 0o600, Content: "a\n"}}}
		}, map[string][]string{"files 2": {"/etc/hostname: mode: 0644 → 0600"}}},
	} {
		t.Run(name, func(t *testing.T) {
			changed := *p
			changed.Layers = append([]Layer{}, p.Layers...)
			test.change(&changed)
			got := reasons(t, &changed, o)
			for layer := range got {
				want := test.want[layer]
				if want == nil {
					want = cached[layer]
				}
				require.Equal(t, want, got[layer], layer)
			}
		})
	}
	t.Run("pruned", func(t *testing.T) {
		all, err := Why(p, o.Dir, o.Caches)
		require.NoError(t, err)
		require.NoError(t, os.Remove(filepath.Join(o.Cache, "layers", all[3].Key+".tar")))
		require.Equal(t, []string{"pruned from the cache"}, reasons(t, p, o)["files 2"])
	})
	t.Run("another version of pkbuild", func(t *testing.T) {
		file, _, err := historyFile(o.Cache, o.Dir, p.Name)
		require.NoError(t, err)
		last, err := readHistory(o.Cache, o.Dir, p.Name)
		require.NoError(t, err)
		last.Layers[3].Version = 0
		last.Layers[3].Key = ""
		require.NoError(t, layers.WriteJSON(file, last))
		require.Equal(t, []string{"version of kind files: 0 → 1"}, reasons(t, p, o)["files 2"])
		require.NoError(t, os.WriteFile(file, []byte("{"), 0o644))
		require.Equal(t, []string{never}, reasons(t, p, o)["files 2"])
	})
}

func TestWhyOfPackages(t *testing.T) {
	locked := func(version, sha string) *debian.Lock {
		return &debian.Lock{Packages: []debian.Package{{Name: "vim", Version: version, SHA256: sha, URL: "pool/" + version, Size: 1}}}
	}
	for name, test := range map[string]struct {
		a, b debian.Layer
		want []string
	}{
		"nothing": {debian.Layer{Suite: "sid"}, debian.Layer{Suite: "sid"}, nil},
		"packages": {debian.Layer{Packages: []string{"a", "b"}}, debian.Layer{Packages: []string{"a", "c"}},
			[]string{"packages: b removed", "packages: c added"}},
		"suite": {debian.Layer{Suite: "trixie"}, debian.Layer{Suite: "sid"}, []string{"suite: trixie → sid"}},
		"date": {debian.Layer{}, debian.Layer{Date: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
			[]string{"date: 0001-01-01T00:00:00Z → 2026-01-01T00:00:00Z"}},
		"order":      {debian.Layer{Components: []string{"a", "b"}}, debian.Layer{Components: []string{"b", "a"}}, []string{"components: the order differs"}},
		"locked":     {debian.Layer{}, debian.Layer{Lock: locked("1", "x")}, []string{"lock added"}},
		"upgraded":   {debian.Layer{Lock: locked("1", "x")}, debian.Layer{Lock: locked("2", "y")}, []string{"lock: packages: vim: 1 → 2"}},
		"rebuilt":    {debian.Layer{Lock: locked("1", "x")}, debian.Layer{Lock: locked("1", "y")}, []string{"lock: packages: vim: content differs"}},
		"repository": {debian.Layer{}, debian.Layer{Repositories: []debian.Repository{{Name: "v"}}}, []string{"repositories added"}},
		"key": {debian.Layer{Repositories: []debian.Repository{{Name: "v", SHA256: "x"}}},
			debian.Layer{Repositories: []debian.Repository{{Name: "v", SHA256: "y"}}}, []string{"repositories: v: content differs"}},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := json.Marshal(test.a)
			require.NoError(t, err)
			b, err := json.Marshal(test.b)
			require.NoError(t, err)
			got, err := diffJSON(a, b)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

func TestUnlockedNote(t *testing.T) {
	s := layers.Store{Dir: t.TempDir()}
	key := layers.Key{1}
	l := Layer{"debian", debian.Layer{}}
	require.Equal(t, "not locked: packages as of an earlier build", unlockedNote(l, s, key))
	made := time.Date(2026, 3, 4, 5, 6, 0, 0, time.Local)
	c, _, err := s.Put(t.Context(), key, layers.Record{Made: made}, made, func(context.Context) (*tree.Tree, error) { return tree.New(), nil })
	require.NoError(t, err)
	require.NoError(t, c.Close())
	require.Equal(t, "not locked: packages as of 2026-03-04 05:06", unlockedNote(l, s, key))
	require.Empty(t, unlockedNote(Layer{"debian", debian.Layer{Lock: &debian.Lock{}}}, s, key))
	require.Empty(t, unlockedNote(Layer{"files", layers.Files{}}, s, key))
}
