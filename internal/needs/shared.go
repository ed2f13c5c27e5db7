package needs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Shared returns the absolute path of a file or directory of ../shared. Where it does not exist the test is skipped, or
// fails if PKBUILD_TEST_SHARED is set, as in the project's own CI.
func Shared(t *testing.T, name string) string {
	t.Helper()
	root, err := filepath.Abs(".")
	require.NoError(t, err)
	for _, err = os.Stat(filepath.Join(root, "go.mod")); err != nil && root != "/"; _, err = os.Stat(filepath.Join(root, "go.mod")) {
		root = filepath.Dir(root)
	}
	name = filepath.Join(filepath.Dir(root), "shared", name)
	_, err = os.Stat(name)
	if err != nil && os.Getenv("PKBUILD_TEST_SHARED") != "" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip("needs ../shared beside the checkout, with collected inputs, which are not part of this repository")
	}
	return name
}
