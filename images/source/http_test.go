package source

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.podman.io/image/v5/types"
)

func TestCertificateDir(t *testing.T) {
	root := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	sys := &types.SystemContext{RootForImplicitAbsolutePaths: root}
	check := func(want string) {
		t.Helper()
		dir, err := certificateDir(sys, "example.org:5000")
		require.NoError(t, err)
		require.Equal(t, want, dir)
	}
	check("")
	for _, dir := range []string{"etc/docker/certs.d", "etc/containers/certs.d"} { // the later one wins
		dir = filepath.Join(root, dir, "example.org:5000")
		require.NoError(t, os.MkdirAll(dir, 0o755))
		check(dir)
	}
	sys.DockerPerHostCertDirPath = "/certs"
	check("/certs/example.org:5000")
	sys.DockerCertPath = "/cert"
	check("/cert")
}
