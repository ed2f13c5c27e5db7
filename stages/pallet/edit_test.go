package pallet_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages/pallet"
)

// TestEditKeepsComments checks that a change of a deployment keeps the rest of its file.
func TestEditKeepsComments(t *testing.T) {
	const before = `# The pump.
package: /packages/pump # ours
features:
  - fast # for the lab
  # not in the field
  - loud
# broken since May
disabled: true
later: "unknown" # of a newer version
`
	for name, test := range map[string]struct {
		before string
		change func(e pallet.Edit) error
		want   string
	}{
		"enable": {before, func(e pallet.Edit) error { return e.SetDisabled(t.Context(), "pump", false) }, `# The pump.
package: /packages/pump # ours
features:
  - fast # for the lab
  # not in the field
  - loud
# broken since May
disabled: false
later: "unknown" # of a newer version
`},
		"package": {before, func(e pallet.Edit) error { return e.SetPackage(t.Context(), "pump", "example.org/pump") }, `# The pump.
package: example.org/pump # ours
features:
  - fast # for the lab
  # not in the field
  - loud
# broken since May
disabled: true
later: "unknown" # of a newer version
`},
		"fewer features": {before, func(e pallet.Edit) error { return e.DisableFeatures(t.Context(), "pump", "fast") }, `# The pump.
package: /packages/pump # ours
features:
  # not in the field
  - loud
# broken since May
disabled: true
later: "unknown" # of a newer version
`},
		"no feature": {"package: a\nfeatures: [x] # all\n", func(e pallet.Edit) error { return e.DisableFeatures(t.Context(), "pump", "x") },
			"package: a\nfeatures: [] # all\n"},
		"one more feature": {"features: [x] # all\npackage: 'a'\n", func(e pallet.Edit) error { return e.EnableFeatures(t.Context(), "pump", "z") },
			"features: [x, z] # all\npackage: 'a'\n"},
		"new keys": {"# it\npackage: a\n", func(e pallet.Edit) error {
			if err := e.EnableFeatures(t.Context(), "pump", "x"); err != nil {
				return err
			}
			return e.SetDisabled(t.Context(), "pump", true)
		}, "# it\npackage: a\nfeatures:\n  - x\ndisabled: true\n"},
		"nothing": {"", func(e pallet.Edit) error { return e.SetPackage(t.Context(), "pump", "a") }, "package: a\n"},
		"an alias": {"package: &a x\nfeatures: [*a]\n", func(e pallet.Edit) error { return e.SetPackage(t.Context(), "pump", "z") },
			"package: &a z\nfeatures: [x]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "deployments/pump.deploy.yml")
			require.NoError(t, os.Mkdir(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(test.before), 0o644))
			require.NoError(t, test.change(pallet.Edit{Dir: dir}))
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, test.want, string(data))
		})
	}
}

// TestEditMissingDeployment checks that the error names the deployments of the pallet.
func TestEditMissingDeployment(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, pallet.Init(dir, "example.org/x", nil, nil))
	e := pallet.Edit{Dir: dir}
	require.EqualError(t, e.DeleteDeployment(t.Context(), "x"), "delete deployment x: pallet has no deployments")
	require.NoError(t, e.AddDeployment(t.Context(), "infra/b", "/b", nil, false))
	require.NoError(t, e.AddDeployment(t.Context(), "a", "/a", nil, false))
	require.EqualError(t, e.DeleteDeployment(t.Context(), "x"), "delete deployment x: pallet has no such deployment; its deployments are a, infra/b")
	for _, err := range []error{
		e.SetDisabled(t.Context(), "x", true), e.SetPackage(t.Context(), "x", "/y"), e.EnableFeatures(t.Context(), "x", "y"), e.DisableFeatures(t.Context(), "x", "y"),
	} {
		require.EqualError(t, err, "change deployment x: pallet has no such deployment; its deployments are a, infra/b")
	}
}
