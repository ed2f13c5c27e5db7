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
		"enable": {before, func(e pallet.Edit) error { return e.SetDisabled("pump", false) }, `# The pump.
package: /packages/pump # ours
features:
  - fast # for the lab
  # not in the field
  - loud
# broken since May
disabled: false
later: "unknown" # of a newer version
`},
		"package": {before, func(e pallet.Edit) error { return e.SetPackage("pump", "example.org/pump") }, `# The pump.
package: example.org/pump # ours
features:
  - fast # for the lab
  # not in the field
  - loud
# broken since May
disabled: true
later: "unknown" # of a newer version
`},
		"fewer features": {before, func(e pallet.Edit) error { return e.DisableFeatures("pump", "fast") }, `# The pump.
package: /packages/pump # ours
features:
  # not in the field
  - loud
# broken since May
disabled: true
later: "unknown" # of a newer version
`},
		"no feature": {"package: a\nfeatures: [x] # all\n", func(e pallet.Edit) error { return e.DisableFeatures("pump", "x") },
			"package: a\nfeatures: [] # all\n"},
		"one more feature": {"features: [x] # all\npackage: 'a'\n", func(e pallet.Edit) error { return e.EnableFeatures("pump", "z") },
			"features: [x, z] # all\npackage: 'a'\n"},
		"new keys": {"# it\npackage: a\n", func(e pallet.Edit) error {
			if err := e.EnableFeatures("pump", "x"); err != nil {
				return err
			}
			return e.SetDisabled("pump", true)
		}, "# it\npackage: a\nfeatures:\n  - x\ndisabled: true\n"},
		"nothing": {"", func(e pallet.Edit) error { return e.SetPackage("pump", "a") }, "package: a\n"},
		"an alias": {"package: &a x\nfeatures: [*a]\n", func(e pallet.Edit) error { return e.SetPackage("pump", "z") },
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

// A deployment that is missing is answered with those that there are.
func TestEditMissingDeployment(t *testing.T) {
	dir := t.TempDir()
	e := pallet.Edit{Dir: dir}
	require.EqualError(t, e.DeleteDeployment("x"), `delete deployment x: no deployment "x" in `+dir+"/deployments: it has none")
	require.NoError(t, e.AddDeployment("infra/b", "/b", nil, false))
	require.NoError(t, e.AddDeployment("a", "/a", nil, false))
	missing := `no deployment "x" in ` + dir + "/deployments: it has a, infra/b"
	require.EqualError(t, e.DeleteDeployment("x"), "delete deployment x: "+missing)
	for _, err := range []error{
		e.SetDisabled("x", true), e.SetPackage("x", "/y"), e.EnableFeatures("x", "y"), e.DisableFeatures("x", "y"),
	} {
		require.EqualError(t, err, "change deployment x: "+missing)
	}
}
