package testscripts

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// nobody is the number of a user without files.
const nobody = 65534

// TestSameImageForAnotherUser builds the default image again: as an ordinary user, with root's layers, from another
// directory with other times and modes, under another umask.
func TestSameImageForAnotherUser(t *testing.T) {
	img := image(t)
	bin := os.Getenv("PKBUILD_TEST_BIN")
	if os.Getuid() != 0 || bin == "" {
		t.Fatal("only root can become another user, and PKBUILD_TEST_BIN must name what made the image: run make test")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	programs, err := filepath.Glob(filepath.Join(bin, "p*"))
	require.NoError(t, err)
	for _, program := range programs {
		tool(t, "cp", program, dir)
	}
	recipe := filepath.Join(dir, "recipes", "planktoscope.yml")
	tool(t, "cp", "-r", "../recipes", dir)
	makeOld(t, filepath.Join(dir, "recipes"))
	shareLayers(t, recipe, dir)
	mine := filepath.Join(dir, "mine")
	require.NoError(t, os.Mkdir(mine, 0o700))
	require.NoError(t, os.Chown(mine, nobody, nobody))

	cmd := exec.Command("/bin/sh", "-c", `umask 0077 && exec "$0" "$@"`, filepath.Join(dir, "pkbuild"), "image", recipe,
		"-o", filepath.Join(mine, "again.img"), "--cache", filepath.Join(mine, "cache"), "--shared-cache", filepath.Join(dir, "shared"))
	cmd.Dir = mine
	cmd.Env = append(os.Environ(), "HOME="+mine)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", cmd, out)
	require.Contains(t, string(out), "debian: reused from the cache")
	require.Equal(t, sum(t, img), sum(t, filepath.Join(mine, "again.img")))
}

// TestSameContainer builds a container image of Debian packages twice without cached layers, the second time from another
// directory with other times and modes, under another umask.
func TestSameContainer(t *testing.T) {
	pkbuild := filepath.Join(programs(t), "pkbuild")
	one, other := t.TempDir(), t.TempDir()
	const recipe = "recipes/containers/prometheus-node-exporter.yml"
	tool(t, "cp", "-r", "../recipes", one)
	tool(t, pkbuild, "lock", filepath.Join(one, recipe))
	tool(t, "cp", "-r", filepath.Join(one, "recipes"), other)
	makeOld(t, filepath.Join(other, "recipes"))
	build := func(dir, umask string) string {
		cache := filepath.Join(dir, "cache")
		require.NoError(t, os.Mkdir(cache, 0o755))
		debs := filepath.Join(userCache(t), "debs")
		if exec.Command("cp", "-r", "--link", debs, cache).Run() != nil {
			tool(t, "cp", "-r", debs, cache)
		}
		out, err := exec.Command("/bin/sh", "-c", `umask "$0" && exec "$@"`, umask, pkbuild, "container", filepath.Join(dir, recipe),
			"-o", "oci:"+filepath.Join(dir, "images")+":it", "--cache", cache, "--quiet").Output()
		require.NoError(t, err)
		return string(out)
	}
	digest := build(one, "0022")
	require.Regexp(t, "sha256:[0-9a-f]{64}", digest)
	require.Equal(t, digest, build(other, "0077"))
}

// makeOld sets other times and the modes of umask 0077 on all files below a directory.
func makeOld(t *testing.T, dir string) {
	require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Type() == fs.ModeSymlink {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return errors.Join(os.Chmod(name, info.Mode()&0o700), os.Chown(name, nobody, nobody), os.Chtimes(name, time.Unix(1, 0), time.Unix(1e9, 0)))
	}))
}

// shareLayers makes a cache of the image's layers that every user can read.
func shareLayers(t *testing.T, recipe, dir string) {
	cache := userCache(t)
	out, err := exec.Command(filepath.Join(dir, "pkbuild"), "why", "--json", "--cache", cache, recipe).Output()
	require.NoError(t, err)
	var layers []struct {
		Layer, Key string
		Cached     bool
	}
	require.NoError(t, json.Unmarshal(out, &layers))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "shared", "layers"), 0o755))
	for _, l := range layers {
		if !l.Cached {
			continue
		}
		name := l.Key + ".tar"
		from, to := filepath.Join(cache, "layers", name), filepath.Join(dir, "shared", "layers", name)
		if os.Link(from, to) != nil {
			tool(t, "cp", from, to)
		}
		require.NoError(t, os.Chmod(to, 0o644))
	}
}

// userCache returns pkbuild's default cache.
func userCache(t *testing.T) string {
	if cache := os.Getenv("PKBUILD_CACHE"); cache != "" {
		return cache
	}
	user, err := os.UserCacheDir()
	require.NoError(t, err)
	return filepath.Join(user, "pkbuild")
}

// sum returns the checksum in the file beside an image.
func sum(t *testing.T, image string) string {
	data, err := os.ReadFile(image + ".sha256")
	require.NoError(t, err)
	require.Greater(t, len(data), 64)
	return string(data[:64])
}

// TestSumAndBlockMap checks the files beside the image with sha256sum and bmaptool.
func TestSumAndBlockMap(t *testing.T) {
	img := image(t)
	cmd := exec.Command("sha256sum", "--check", "--strict", filepath.Base(img)+".sha256")
	cmd.Dir = filepath.Dir(img)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, tool(t, "bmaptool", "copy", img, filepath.Join(t.TempDir(), "card")), "discovered bmap file")
}
