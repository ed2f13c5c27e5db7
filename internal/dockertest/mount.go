package dockertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/layers/ext4"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Mount writes Docker's store to an ext4 image, mounts the image until the end of the test, and returns the store's path in
// it. at is the path of the store on a device, such as /var/lib/docker.
func Mount(t *testing.T, at string, store *tree.Tree) string {
	t.Helper()
	root := tree.New()
	docker := tree.New()
	require.NoError(t, docker.Put(at, store.Root))
	require.NoError(t, root.Apply(docker))
	image := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(image)
	require.NoError(t, err)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	fs, err := ext4.Prepare(root, ext4.Options{UUID: [16]byte{1}, Now: now}, 256<<20)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(fs.Size()))
	require.NoError(t, fs.Write(t.Context(), f, 0))
	require.NoError(t, f.Close())
	dir := filepath.Join(t.TempDir(), "mnt")
	require.NoError(t, os.Mkdir(dir, 0o755))
	out, err := exec.Command("mount", "-t", "ext4", "-o", "loop", image, dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	return filepath.Join(dir, at)
}
