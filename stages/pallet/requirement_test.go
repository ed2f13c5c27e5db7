package pallet

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unavailable is a Resolver that has nothing and counts what it is asked for.
type unavailable map[string]int

func (u unavailable) Resolve(_ context.Context, r Requirement) (string, error) {
	u[r.Path]++
	return "", errors.New("fetch " + r.Path + ": network is unreachable")
}

const lockFile = "/forklift-version-lock.yml --\ntype: pseudoversion\ntimestamp: \"20250101000000\"\n" +
	"commit: 0123456789abcdef0123456789abcdef01234567\n"

// TestUnavailableRequirements reads pallets of which several deployments need a requirement that cannot be resolved. Each
// requirement is resolved once and gives one error.
func TestUnavailableRequirements(t *testing.T) {
	const two = "-- deployments/a.deploy.yml --\npackage: example.org/repo/p\nfeatures: [f]\n" +
		"-- deployments/b.deploy.yml --\npackage: example.org/repo/p\nfeatures: [f]\n"
	for name, test := range map[string]struct{ files, dir string }{
		"repository": {two + "-- requirements/repositories/example.org/repo" + lockFile, "repositories"},
		"pallet":     {two + "-- requirements/pallets/example.org/repo" + lockFile, "pallets"},
		"pallet with imports": {two + "-- requirements/pallets/example.org/repo" + lockFile +
			"-- requirements/pallets/example.org/repo/all.imports.yml --\nmodifiers: [{target: /packages}]\n", "pallets"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, sound, test.files)
			at := "P/requirements/" + test.dir + "/example.org/repo/forklift-version-lock.yml:3:9: "
			asked := unavailable{}
			_, err := Reader{Resolver: asked}.Read(t.Context(), dir)
			require.Error(t, err)
			require.Equal(t, at+"fetch example.org/repo: network is unreachable", strings.ReplaceAll(err.Error(), dir, "P"))
			require.Equal(t, unavailable{"example.org/repo": 1}, asked)
			_, err = Read(dir)
			require.Error(t, err)
			require.Equal(t, at+"requirement example.org/repo: required pallets cannot be downloaded here",
				strings.ReplaceAll(err.Error(), dir, "P"))
		})
	}
}

// TestRepositoryIsLayeredPallet deploys a package that a required repository imports from a pallet that it requires.
func TestRepositoryIsLayeredPallet(t *testing.T) {
	layered := declared("example.org/layered") + requiring("example.org/base", "modifiers: [{target: /packages/y}]\n") +
		"-- packages/y/data/b.txt --\nown\n"
	export := "deployment: {provides: {file-exports: [{target: extensions/y, source: data}]}}\n"
	base := strings.Replace(basePallet, "-- packages/y/forklift-package.yml --\n{}\n", "-- packages/y/forklift-package.yml --\n"+export, 1)
	for _, kind := range []string{"repositories", "pallets"} {
		required := strings.ReplaceAll(requiring("example.org/layered", ""), "requirements/pallets", "requirements/"+kind)
		required = strings.ReplaceAll(required, "all.imports.yml", "unused")
		p, err := readLayered(t, declared("example.org/top")+required+
			"-- deployments/d.deploy.yml --\npackage: example.org/layered/packages/y\n",
			map[string]string{"example.org/layered": layered, "example.org/base": base})
		require.NoError(t, err, kind)
		b, err := p.Bundle(t.Context(), Options{})
		require.NoError(t, err, kind)
		require.Equal(t, []string{"644 extensions/y/a.txt a\n", "644 extensions/y/b.txt own\n"}, exportsOf(t, b), kind)
		require.Contains(t, pathsBelow(b, packagesDir), "example.org/layered/packages/y/data/a.txt", kind)
	}
}

// TestNestedRepositories requires a repository whose path continues that of another one.
func TestNestedRepositories(t *testing.T) {
	repository := func(path string) string {
		return strings.ReplaceAll(requiring(path, ""), "requirements/pallets", "requirements/repositories")
	}
	p, err := readLayered(t, declared("example.org/top")+repository("example.org/a")+repository("example.org/a/z")+
		"-- deployments/d.deploy.yml --\npackage: example.org/a/z/p\n",
		map[string]string{
			"example.org/a": "-- forklift-repository.yml --\nforklift-version: v0.4.0\n",
			"example.org/a/z": "-- forklift-repository.yml --\nforklift-version: v0.4.0\n" +
				"-- p/forklift-package.yml --\n{}\n",
		})
	require.NoError(t, err)
	require.Equal(t, []string{"example.org/a/z/p"}, p.PackagePaths())
}

// TestSumOfSharedRequirement requires a pallet twice: without a sum file, and with a wrong one.
func TestSumOfSharedRequirement(t *testing.T) {
	const first = "example.org/first"
	imports := "modifiers: [{target: /packages/x}]\n"
	_, err := readLayered(t, declared("example.org/top")+requiring("example.org/base", imports)+requiring(first, imports),
		map[string]string{"example.org/base": basePallet, first: declared(first) + requiring("example.org/base", imports) +
			"-- requirements/pallets/example.org/base/forklift-version-lock.sum --\nexample.org/base v1.2.3 p1:wrong\n"})
	require.ErrorContains(t, err, "want p1:wrong: the files are not those that were locked")
}
