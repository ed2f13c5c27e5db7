package pallet

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const twoApps = `
-- forklift-pallet.yml --
forklift-version: v0.8.0
pallet: {path: example.org/mine}
-- packages/a/forklift-package.yml --
package: {description: A}
deployment: {compose-files: [compose.yml]}
features:
  more: {description: More, compose-files: [more.yml]}
-- packages/a/compose.yml --
services:
  web: {image: caddy}
  made: {build: ., image: x/made:1}
-- packages/a/more.yml --
services:
  db: {image: "ghcr.io/x/db:1@sha256:0123456789012345678901234567890123456789012345678901234567890123"}
-- packages/b/forklift-package.yml --
package: {description: B}
deployment: {compose-files: [compose.yml]}
-- packages/b/compose.yml --
services:
  web: {image: "caddy:latest"}
  log: {image: "IMAGE"}
-- deployments/b.deploy.yml --
package: /packages/b
-- deployments/a.deploy.yml --
package: /packages/a
features: [more]
-- deployments/off.deploy.yml --
package: /packages/b
disabled: true
`

func TestFullImages(t *testing.T) {
	dir := write(t, strings.Replace(twoApps, "IMAGE", "x/log:2", 1))
	p, err := Read(dir)
	require.NoError(t, err)
	want := []string{
		"docker.io/library/caddy:latest", "docker.io/x/log:2", "docker.io/x/made:1",
		"ghcr.io/x/db:1@sha256:0123456789012345678901234567890123456789012345678901234567890123",
	}
	got, err := p.FullImages(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, got)

	staged := filepath.Join(t.TempDir(), "1")
	require.NoError(t, bundleOf(t, dir, Options{}).Write(t.Context(), staged))
	_, p, err = ReadBundle(t.Context(), staged)
	require.NoError(t, err)
	got, err = p.FullImages(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, got, "a bundle says the same")
}

func TestFullImagesOfNoName(t *testing.T) {
	p, err := Read(write(t, strings.Replace(twoApps, "IMAGE", "x/Log", 1)))
	require.NoError(t, err)
	_, err = p.FullImages(t.Context())
	require.EqualError(t, err, `container image "x/Log": invalid reference format: `+
		"repository name must be lowercase")
}
