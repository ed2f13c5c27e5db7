package pallet

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// based returns an Edit of a new pallet that is based on another one, and the changes that it reviews.
func based(t *testing.T, base string) (e Edit, reviewed *[]Change) {
	t.Helper()
	resolver := others{"example.org/base": write(t, base)}
	p, err := Read(resolver["example.org/base"])
	require.NoError(t, err)
	dir := t.TempDir()
	from := Requirement{Path: "example.org/base", Lock: Lock{Type: LockVersion, Tag: "v1.2.3", Timestamp: "20260101000000", Commit: commit}}
	require.NoError(t, Init(dir, "example.org/mine", &from, p))
	reviewed = &[]Change{}
	return Edit{Dir: dir, Reader: Reader{Resolver: resolver}, Review: func(changes []Change) error {
		*reviewed = append(*reviewed, changes...)
		return nil
	}}, reviewed
}

// read reads the pallet of an Edit.
func (e Edit) read(t *testing.T) *Pallet {
	t.Helper()
	p, err := e.Reader.Read(t.Context(), e.Dir)
	require.NoError(t, err)
	return p
}

const importedBase = basePallet + "-- deployments/x.deploy.yml --\n# The pump.\npackage: /packages/x # ours\n" +
	"-- packages/x/forklift-package.yml --\nfeatures: {f: {}, g: {}}\n"

// TestInitWarnsOfNothing bases pallets on others with and without each directory.
func TestInitWarnsOfNothing(t *testing.T) {
	const sums = ".sum: file is missing, so only the commit of example.org/base is verified"
	for name, test := range map[string]struct {
		base string
		want []string
	}{
		"all": {importedBase + "-- requirements/repositories/example.org/r" + lockFile + "-- extensions/x/y --\n-- .github/x --\n-- docs.md --\n",
			[]string{"deployments", "extensions", "features", "packages", "requirements/repositories"}},
		"no repositories": {importedBase, []string{"deployments", "features", "packages"}},
		"packages elsewhere": {"-- forklift-pallet.yml --\nforklift-version: v0.7.0\npallet: {path: example.org/base}\n" +
			"-- core/x/forklift-package.yml --\n{}\n-- deployments/x.deploy.yml --\npackage: /core/x\n", []string{"core", "deployments"}},
		"nothing": {"-- forklift-pallet.yml --\nforklift-version: v0.7.0\npallet: {path: example.org/base}\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			e, _ := based(t, test.base)
			p := e.read(t)
			require.Len(t, p.Notes, 1, p.Notes)
			for _, note := range p.Notes {
				require.Contains(t, note, sums, "the command writes the sums")
			}
			data, err := os.ReadFile(filepath.Join(e.Dir, "requirements/pallets/example.org/base/all.imports.yml"))
			require.NoError(t, err)
			var got []string
			for line := range strings.Lines(string(data)) {
				if dir, ok := strings.CutPrefix(line, "  - target: /"); ok {
					got = append(got, strings.TrimSpace(dir))
				}
			}
			require.Equal(t, test.want, got)
			require.NoError(t, p.Validate(t.Context()).Err())
		})
	}
}

// TestChangeImportedDeployment changes deployments that a pallet imports: an own file takes the place of the imported one.
func TestChangeImportedDeployment(t *testing.T) {
	const head = "# In place of example.org/base@v1.2.3/deployments/x.deploy.yml\n# The pump.\n"
	for name, test := range map[string]struct {
		change func(t *testing.T, e Edit) error
		want   string
	}{
		"disable": {func(t *testing.T, e Edit) error { return e.SetDisabled(t.Context(), "x", true) },
			head + "package: /packages/x # ours\ndisabled: true\n"},
		"package": {func(t *testing.T, e Edit) error { return e.SetPackage(t.Context(), "x", "/packages/y") },
			head + "package: /packages/y # ours\n"},
		"feature": {func(t *testing.T, e Edit) error { return e.EnableFeatures(t.Context(), "x", "f", "g") },
			head + "package: /packages/x # ours\nfeatures:\n  - f\n  - g\n"},
	} {
		t.Run(name, func(t *testing.T) {
			e, reviewed := based(t, importedBase)
			require.NoError(t, test.change(t, e))
			const file = "deployments/x.deploy.yml"
			require.Equal(t, []Change{{File: file, Content: test.want, Origin: []string{"example.org/base@v1.2.3/" + file}}}, *reviewed)
			data, err := os.ReadFile(filepath.Join(e.Dir, file))
			require.NoError(t, err)
			require.Equal(t, test.want, string(data))
			require.Nil(t, e.read(t).Origin(file))

			require.NoError(t, test.change(t, e), "a change that changes nothing")
			require.Len(t, *reviewed, 1)
			require.NoError(t, e.SetPackage(t.Context(), "x", "/packages/z"), "the own file is changed from now on")
			require.Len(t, *reviewed, 2)
			require.Nil(t, (*reviewed)[1].Origin)
			require.NoError(t, e.DeleteDeployment(t.Context(), "x"))
			require.Equal(t, Change{File: file, Origin: []string{"example.org/base@v1.2.3/" + file}}, (*reviewed)[2], "the imported file is back")
			require.Equal(t, []string{"example.org/base@v1.2.3/" + file}, e.read(t).Origin(file))
		})
	}
}

// TestChangeOfNothing does not write a file in place of an imported one.
func TestChangeOfNothing(t *testing.T) {
	e, reviewed := based(t, importedBase)
	require.NoError(t, e.SetDisabled(t.Context(), "x", false))
	require.NoError(t, e.EnableFeatures(t.Context(), "x"))
	require.NoError(t, e.SetPackage(t.Context(), "x", "/packages/x"))
	require.Empty(t, *reviewed)
	require.NotNil(t, e.read(t).Origin("deployments/x.deploy.yml"))
}

// TestDeleteImportedDeployment deletes deployments that a pallet imports: by a modifier in each group that imports it.
func TestDeleteImportedDeployment(t *testing.T) {
	e, reviewed := based(t, importedBase)
	const dir = "requirements/pallets/example.org/base/"
	more := filepath.Join(e.Dir, dir, "more.imports.yml")
	require.NoError(t, os.WriteFile(more, []byte("modifiers: [{type: add-feature, source: x}] # pumps\n"), 0o644))
	off := filepath.Join(e.Dir, dir, "off.imports.yml")
	require.NoError(t, os.WriteFile(off, []byte("disabled: true\nmodifiers: [{target: /deployments}]\n"), 0o644))
	require.NoError(t, e.DeleteDeployment(t.Context(), "x"))
	require.Len(t, *reviewed, 2)
	require.Equal(t, dir+"all.imports.yml", (*reviewed)[0].File)
	require.True(t, strings.HasSuffix((*reviewed)[0].Content, "  - target: /packages\n  - type: remove\n    target: /deployments/x.deploy.yml\n"), (*reviewed)[0].Content)
	require.True(t, strings.HasPrefix((*reviewed)[0].Content, "# All directories of the pallet."), (*reviewed)[0].Content)
	require.Equal(t, "modifiers: [{type: add-feature, source: x}, {type: remove, target: /deployments/x.deploy.yml}] # pumps\n", (*reviewed)[1].Content)
	require.Equal(t, []string{"more/y"}, e.read(t).DeploymentNames())

	require.EqualError(t, e.DeleteDeployment(t.Context(), "x"), "delete deployment x: pallet has no such deployment; its deployments are more/y")
	require.EqualError(t, e.AddDeployment(t.Context(), "more/y", "/packages/x", nil, false),
		"add deployment more/y: the pallet imports it from example.org/base@v1.2.3/deployments/more/y.deploy.yml; change or delete that one")
	require.NoError(t, e.AddDeployment(t.Context(), "x", "/packages/y", nil, false), "its name is free")
	require.Equal(t, []string{"x", "more/y"}, e.read(t).DeploymentNames())
}

// TestReviewStopsChanges checks that nothing is written after an error of Review.
func TestReviewStopsChanges(t *testing.T) {
	e, _ := based(t, importedBase)
	e.Review = func([]Change) error { return errors.New("no") }
	before, err := Sum(e.Dir)
	require.NoError(t, err)
	for _, err := range []error{e.SetDisabled(t.Context(), "x", true), e.DeleteDeployment(t.Context(), "x"), e.AddDeployment(t.Context(), "z", "/packages/x", nil, false)} {
		require.EqualError(t, err, "no")
	}
	after, err := Sum(e.Dir)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// TestChangeImportedOffline cannot read the imports.
func TestChangeImportedOffline(t *testing.T) {
	e, _ := based(t, importedBase)
	e.Reader.Resolver = unavailable{}
	require.ErrorContains(t, e.SetDisabled(t.Context(), "x", true), "change deployment x: "+e.Dir+"/requirements/pallets/example.org/base/"+
		"forklift-version-lock.yml:4:9: fetch example.org/base: network is unreachable")
	require.NoError(t, e.AddDeployment(t.Context(), "z", "/packages/x", nil, false))
	require.NoError(t, e.SetDisabled(t.Context(), "z", true), "an own file needs no imports")
}
