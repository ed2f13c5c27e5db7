package source_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages/pallet"
	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
	"github.com/PlanktoScope/pkbuild/stages/pallet/source"
)

const base = "example.org/base"

// upstream is a repository with a pallet.
type upstream struct {
	t    *testing.T
	dir  string
	repo *git.Repository
	day  int
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "git", base)
	repo, err := git.PlainInit(dir, false)
	require.NoError(t, err)
	return &upstream{t: t, dir: dir, repo: repo}
}

// commit writes files and commits all.
func (u *upstream) commit(files string) string {
	u.t.Helper()
	for _, f := range txtar.Parse([]byte(files)).Files {
		name := filepath.Join(u.dir, f.Name)
		require.NoError(u.t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(u.t, os.WriteFile(name, f.Data, 0o644))
	}
	tree, err := u.repo.Worktree()
	require.NoError(u.t, err)
	require.NoError(u.t, tree.AddGlob("."))
	u.day++
	at := time.Date(2026, 1, u.day, 3, 0, 0, 0, time.FixedZone("", 2*3600))
	hash, err := tree.Commit("x", &git.CommitOptions{
		Author: &object.Signature{Name: "x", When: at}, AllowEmptyCommits: true,
	})
	require.NoError(u.t, err)
	return hash.String()
}

func (u *upstream) tag(name, commit string) {
	u.t.Helper()
	_, err := u.repo.CreateTag(name, plumbing.NewHash(commit), nil)
	require.NoError(u.t, err)
}

func (u *upstream) source() source.Source {
	return source.Source{
		Cache:   filepath.Join(filepath.Dir(filepath.Dir(filepath.Dir(u.dir))), "cache"),
		Mirrors: mirror.Mirrors{"example.org/": "file://" + filepath.Dir(u.dir) + "/"},
		Offline: true,
	}
}

const palletFiles = "-- forklift-pallet.yml --\nforklift-version: v0.8.0\npallet: {path: example.org/base}\n-- a/b --\nb\n"

func TestFind(t *testing.T) {
	u := newUpstream(t)
	first := u.commit(palletFiles)
	second := u.commit("-- c --\nc\n")
	third := u.commit("-- c --\nd\n")
	fourth := u.commit("-- c --\ne\n")
	s := u.source()
	found := func(query string) pallet.Lock {
		t.Helper()
		r, err := s.Find(t.Context(), base+"@"+query)
		require.NoError(t, err)
		require.Equal(t, base, r.Path)
		return r.Lock
	}
	pseudo := pallet.Lock{Type: "pseudoversion", Timestamp: "20260102010000", Commit: second}
	require.Equal(t, pseudo, found(second[:8]))
	require.Equal(t, "v0.0.0-20260102010000-"+second[:12], pseudo.Version())

	u.tag("v1.2.3-beta.1", first)
	require.Equal(t, "v1.2.3-beta.1.0.20260102010000-"+second[:12], found(second).Version())
	u.tag("v1.2.3", second)
	u.tag("v1.2.2", second)
	u.tag("v1.9", third)
	u.tag("latest", third)
	require.Equal(t, pallet.Lock{Type: "version", Tag: "v1.2.3", Timestamp: "20260102010000", Commit: second}, found("v1.2.2"))
	require.Equal(t, "v1.2.4-0.20260103010000-"+third[:12], found("latest").Version())
	require.Equal(t, fourth, found("master").Commit)

	for query, message := range map[string]string{
		"main":      `find "main" in example.org/base: repository has no such tag or branch`,
		"0123456":   `find "0123456" in example.org/base: repository has no such tag, branch or commit`,
		"":          `"example.org/base@" is not of the form PATH@QUERY, such as github.com/PlanktoScope/pallet-standard@v2024.0.0, where the query is a branch, a tag or the beginning of a commit`,
		"../../etc": `find "../../etc" in example.org/base: repository has no such tag or branch`,
	} {
		_, err := s.Find(t.Context(), base+"@"+query)
		require.EqualError(t, err, message)
	}
	_, err := s.Find(t.Context(), "example.com/../etc@x")
	require.ErrorContains(t, err, "is not of the form PATH@QUERY")
	_, err = s.Find(t.Context(), "example.com/other@x")
	require.EqualError(t, err, "fetch example.com/other: repository is not in the cache, and --offline forbids to fetch it")
}

func TestResolve(t *testing.T) {
	u := newUpstream(t)
	require.NoError(t, os.Symlink("b", filepath.Join(u.dir, "link")))
	first := u.commit(palletFiles)
	u.commit("-- a/b --\nlater\n")
	s := u.source()
	r, err := s.Find(t.Context(), base+"@"+first)
	require.NoError(t, err)
	dir, err := s.Resolve(t.Context(), r)
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(dir, "a/b"))
	require.NoError(t, err)
	require.Equal(t, "b\n", string(data))
	link, err := os.Readlink(filepath.Join(dir, "link"))
	require.NoError(t, err)
	require.Equal(t, "b", link)
	require.NoDirExists(t, filepath.Join(dir, ".git"))

	require.NoError(t, os.RemoveAll(u.dir))
	again, err := s.Resolve(t.Context(), r)
	require.NoError(t, err, "cached")
	require.Equal(t, dir, again)
}

func TestLocksThatLie(t *testing.T) {
	u := newUpstream(t)
	first := u.commit(palletFiles)
	second := u.commit("-- c --\nc\n")
	u.tag("v1.0.0", second)
	s := u.source()
	for what, c := range map[string]struct {
		lock    pallet.Lock
		message string
	}{
		"another time": {
			pallet.Lock{Type: "pseudoversion", Timestamp: "20270101010000", Commit: first},
			"lock of example.org/base: timestamp is 20270101010000, but that of commit " + first + " is 20260101010000",
		},
		"another tag": {
			pallet.Lock{Type: "version", Tag: "v1.0.0", Timestamp: "20260101010000", Commit: first},
			"lock of example.org/base: tag v1.0.0 is on commit " + first + " in the lock, but on " + second + " in the repository",
		},
		"no tag": {
			pallet.Lock{Type: "version", Tag: "v2.0.0", Timestamp: "20260101010000", Commit: first},
			"lock of example.org/base: tag v2.0.0 of commit " + first + " does not exist",
		},
		"no commit": {
			pallet.Lock{Type: "pseudoversion", Timestamp: "20270101010000", Commit: "0123456789012345678901234567890123456789"},
			"find commit 0123456789012345678901234567890123456789 of example.org/base: object not found",
		},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := s.Resolve(t.Context(), pallet.Requirement{Path: base, Lock: c.lock})
			require.EqualError(t, err, c.message)
		})
	}
	_, err := s.Resolve(t.Context(), pallet.Requirement{Path: "../x"})
	require.EqualError(t, err, `"../x" is not the path of a pallet, such as github.com/PlanktoScope/pallet-standard`)
}

// TestLayeredPallet reads a pallet that requires another one from Git, with and without its sum.
func TestLayeredPallet(t *testing.T) {
	u := newUpstream(t)
	u.commit(palletFiles + "-- deployments/x.deploy.yml --\npackage: /packages/x\n-- packages/x/forklift-package.yml --\n{}\n")
	s := u.source()
	r, err := s.Find(t.Context(), base+"@master")
	require.NoError(t, err)
	dir := t.TempDir()
	files := map[string]string{
		"forklift-pallet.yml": "forklift-version: v0.8.0\npallet: {path: example.org/top}\n",
		"requirements/pallets/example.org/base/all.imports.yml": "modifiers: [{target: /deployments}, {target: /packages}]\n",
	}
	for name, content := range files {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(content), 0o644))
	}
	reader := pallet.Reader{Resolver: s}
	require.NoError(t, pallet.Edit{Dir: dir}.SetRequirement(r, ""))
	p, err := reader.Read(t.Context(), dir)
	require.NoError(t, err)
	require.Equal(t, []string{"x"}, p.DeploymentNames())
	lock := dir + "/requirements/pallets/example.org/base/forklift-version-lock."
	require.Equal(t, []string{lock + "sum: file is missing, so only the commit of example.org/base is verified; " +
		"write it with the command pallet sum"}, p.Notes)

	sums, err := reader.Sums(t.Context(), dir)
	require.NoError(t, err)
	require.NoError(t, pallet.Edit{Dir: dir}.WriteSums(sums))
	p, err = reader.Read(t.Context(), dir)
	require.NoError(t, err)
	require.Empty(t, p.Notes)

	tree, err := s.Resolve(t.Context(), r)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(tree, "a/b"), []byte("forged\n"), 0o644))
	_, err = reader.Read(t.Context(), dir)
	require.ErrorContains(t, err, lock+"sum:1:1: hash of example.org/base v0.0.0-20260101010000-"+r.Lock.Commit[:12]+" is p1:")
	require.ErrorContains(t, err, "the files are not those that were locked")
}

func TestDescribe(t *testing.T) {
	u := newUpstream(t)
	state, err := source.Describe(u.dir)
	require.NoError(t, err)
	require.Zero(t, state)
	commit := u.commit(palletFiles)
	u.tag("v1.0.0", commit)
	state, err = source.Describe(u.dir)
	require.NoError(t, err)
	require.Equal(t, source.State{Version: "v1.0.0", Commit: commit, Clean: true}, state)
	require.NoError(t, os.WriteFile(filepath.Join(u.dir, "new"), nil, 0o644))
	state, err = source.Describe(u.dir)
	require.NoError(t, err)
	require.Equal(t, source.State{Version: "v1.0.0", Commit: commit}, state)
	state, err = source.Describe(t.TempDir())
	require.NoError(t, err)
	require.Zero(t, state)
}
