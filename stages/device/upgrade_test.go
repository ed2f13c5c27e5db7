package device_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/device"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
)

// staging returns the bundle of a pallet in a directory with some files besides its declaration.
func staging(t *testing.T, files map[string]string) *pallet.Bundle {
	return bundleOf(t, files, pallet.Options{})
}

func bundleOf(t *testing.T, files map[string]string, o pallet.Options) *pallet.Bundle {
	t.Helper()
	dir := palletIn(t, files)
	p, err := pallet.Reader{}.Read(t.Context(), dir)
	require.NoError(t, err)
	b, err := p.Bundle(t.Context(), o)
	require.NoError(t, err)
	return b
}

func palletIn(t *testing.T, files map[string]string) string {
	dir := t.TempDir()
	put(t, dir, map[string]string{"forklift-pallet.yml": "forklift-version: v0.8.0\npallet: {path: example.org/pallet}\n"})
	put(t, dir, files)
	require.NoError(t, os.Symlink("motd", filepath.Join(dir, "link")))
	return dir
}

// upstream has one version of a pallet, and some commits.
type upstream struct {
	version string
	commits []string
	dir     string
	err     error
}

func (u upstream) Find(_ context.Context, text string) (pallet.Requirement, error) {
	path, query, _ := strings.Cut(text, "@")
	lock := pallet.Lock{Type: pallet.LockVersion, Tag: u.version, Commit: query}
	return pallet.Requirement{Path: path, Lock: lock}, u.err
}

func (u upstream) Resolve(context.Context, pallet.Requirement) (string, error) { return u.dir, u.err }

func (u upstream) Has(_ context.Context, _, commit string) (bool, error) {
	for _, c := range u.commits {
		if c == commit {
			return true, u.err
		}
	}
	return false, u.err
}

const (
	commit = "0123456789012345678901234567890123456789"
	other  = "9876543210987654321098765432109876543210"
)

// TestOffer: what an upgrade would replace is said, and replaced by force only.
func TestOffer(t *testing.T) {
	files := map[string]string{"motd": "hello", "old": "x", "script": "x"}
	changed := map[string]string{"motd": "mine", "script": "x", "new": "y", "more": "z"}
	clean := pallet.Options{Version: "v1.1.0", Commit: commit, Clean: true}
	dirty := pallet.Options{Version: "v1.1.0", Commit: commit}
	for what, c := range map[string]struct {
		staged   pallet.Options
		files    map[string]string
		version  string // upstream's
		commits  []string
		relation device.Relation
		text     string
		refused  string // "" if it may be staged
	}{
		"newer":                 {clean, files, "v1.2.0", []string{commit}, device.New, "example.org/pallet v1.2.0 can be staged", ""},
		"same":                  {clean, files, "v1.1.0", []string{commit}, device.Same, "example.org/pallet v1.1.0 is staged already", ""},
		"older":                 {clean, files, "v1.0.0", []string{commit}, device.Older, "example.org/pallet v1.0.0 is older than v1.1.0, which is next", "pallet example.org/pallet v1.0.0 is older than v1.1.0, which is next: --allow-downgrade stages it"},
		"changed":               {dirty, changed, "v1.2.0", []string{commit}, device.New, "example.org/pallet v1.2.0 can be staged; stage 5, which is next, has changes of its own over example.org/pallet v1.1.0 (added more, changed motd, added new and 1 more)", "stage 5, which is next, has changes of its own over example.org/pallet v1.1.0 (added more, changed motd, added new and 1 more): --force stages pallet example.org/pallet v1.2.0 in its place"},
		"changed, same version": {dirty, changed, "v1.1.0", []string{commit}, device.Same, "example.org/pallet v1.1.0 is staged already; stage 5, which is next, has changes of its own over example.org/pallet v1.1.0 (added more, changed motd, added new and 1 more)", "stage 5, which is next, has changes of its own over example.org/pallet v1.1.0 (added more, changed motd, added new and 1 more): --force stages pallet example.org/pallet v1.1.0 in its place"},
		"own commit":            {clean, files, "v1.2.0", []string{other}, device.New, "example.org/pallet v1.2.0 can be staged; stage 5, which is next, was made from a commit of example.org/pallet that upstream lacks (v1.1.0)", "stage 5, which is next, was made from a commit of example.org/pallet that upstream lacks (v1.1.0): --force stages pallet example.org/pallet v1.2.0 in its place"},
		"never committed":       {pallet.Options{}, files, "v1.2.0", nil, device.New, "example.org/pallet v1.2.0 can be staged; stage 5, which is next, was made from files of example.org/pallet that were never committed", "stage 5, which is next, was made from files of example.org/pallet that were never committed: --force stages pallet example.org/pallet v1.2.0 in its place"},
	} {
		t.Run(what, func(t *testing.T) {
			d, _ := newDevice(t)
			_, err := d.Stage(t.Context(), bundleOf(t, c.files, c.staged), device.Followed{}, false)
			require.NoError(t, err)
			up := upstream{version: c.version, commits: c.commits, dir: palletIn(t, files)}
			o, err := d.Offer(t.Context(), up, device.Followed{Path: "example.org/pallet", Query: "main"})
			require.NoError(t, err)
			require.Equal(t, c.relation, o.Relation)
			require.Equal(t, c.text, o.String())
			require.Equal(t, what == "same", o.Needless())
			err = o.Allow(device.Permission{})
			if c.refused == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, c.refused)
			}
			require.NoError(t, o.Allow(device.Permission{Force: true, Downgrade: true}))

			// A name keeps a stage, so that nothing is lost.
			_, err = d.Name(t.Context(), "kept", "5")
			require.NoError(t, err)
			o, err = d.Offer(t.Context(), up, device.Followed{Path: "example.org/pallet", Query: "main"})
			require.NoError(t, err)
			require.Nil(t, o.Local)
		})
	}
}

func TestOfferWithoutComparison(t *testing.T) {
	d, _ := newDevice(t)
	var warnings []error
	d.Warn = func(err error) { warnings = append(warnings, err) }
	up := upstream{version: "v1.2.0"}
	follow := device.Followed{Path: "example.org/pallet", Query: "main"}

	// Upstream cannot be reached for what is next: the changes are named without files.
	_, err := d.Stage(t.Context(), bundleOf(t, nil, pallet.Options{Version: "v1.1.0", Commit: commit}), device.Followed{}, false)
	require.NoError(t, err)
	up.dir = filepath.Join(t.TempDir(), "none")
	o, err := d.Offer(t.Context(), up, follow)
	require.NoError(t, err)
	require.Empty(t, o.Local.Files)
	require.ErrorContains(t, warnings[0], "compare stage 5 with commit "+commit)

	// Another pallet, a broken stage, no stage: nothing to compare with.
	_, err = d.SetNext(t.Context(), "2", true)
	require.NoError(t, err)
	o, err = d.Offer(t.Context(), up, device.Followed{Path: "example.org/other", Query: "main"})
	require.NoError(t, err)
	require.Equal(t, device.New, o.Relation)
	put(t, d.Store, map[string]string{"2/forklift-bundle.yml": "pallet: ["})
	o, err = d.Offer(t.Context(), up, follow)
	require.NoError(t, err)
	require.Zero(t, o.Next)
	put(t, d.Store, map[string]string{stages.StoreFile: "staged: {}"})
	o, err = d.Offer(t.Context(), up, follow)
	require.NoError(t, err)
	require.Zero(t, o.Next)
	up.err = errors.New("no network")
	_, err = d.Offer(t.Context(), up, follow)
	require.EqualError(t, err, "no network")
}

func TestStageAndFollow(t *testing.T) {
	d, fake := newDevice(t)
	_, err := d.Followed()
	require.EqualError(t, err, "no pallet is followed: choose one with pkctl pallet switch PATH@QUERY")
	follow, err := device.ParseFollowed("example.org/pallet@main")
	require.NoError(t, err)
	n, err := d.Stage(t.Context(), staging(t, map[string]string{"motd": "hello"}), follow, false)
	require.NoError(t, err)
	require.Equal(t, 5, n)
	got, err := d.Followed()
	require.NoError(t, err)
	require.Equal(t, follow, got)
	_, differences, err := d.Verify("5")
	require.NoError(t, err)
	if os.Geteuid() == 0 {
		require.Empty(t, differences)
	}

	// A stage whose images cannot be pulled stays in the store, and what is followed stays as it was.
	fake.refused = errors.New("manifest unknown")
	b := staging(t, map[string]string{
		"deployments/a.deploy.yml": "package: /packages/a\n", "packages/a/forklift-package.yml": "deployment: {compose-files: [compose.yml]}\n",
		"packages/a/compose.yml": "services: {main: {image: \"caddy:2\"}}\n",
	})
	n, err = d.Stage(t.Context(), b, device.Followed{Path: "example.org/other", Query: "x"}, false)
	require.ErrorContains(t, err, "pallet was staged as stage 6, but not made next: image docker.io/library/caddy:2: manifest unknown")
	require.Equal(t, 6, n)
	require.Equal(t, 5, d.NextBoot().Stage)
	got, err = d.Followed()
	require.NoError(t, err)
	require.Equal(t, follow, got)

	put(t, d.Store, map[string]string{"pallet-upgrades.yml": "path: x\n"})
	_, err = d.Followed()
	require.EqualError(t, err, "parse "+d.Store+"/pallet-upgrades.yml: no pallet and query in it: write it anew with pkctl pallet switch PATH@QUERY")
	for _, text := range []string{"x", "@main", "example.org/pallet@"} {
		_, err = device.ParseFollowed(text)
		require.ErrorContains(t, err, "is not of the form PATH@QUERY")
	}
	b.Files[0].Source = filepath.Join(t.TempDir(), "gone")
	b.Files[0].Mode, b.Files[0].Content = 0o644, nil
	_, err = d.Stage(t.Context(), b, device.Followed{}, true)
	require.ErrorContains(t, err, "add stage 7: "+b.Files[0].Path+": ")
}
