package recipes

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the index of the shipped recipes anew")

// shippedDirs are the embedded directories.
var shippedDirs = []string{"include", "containers", "files", "pallets"}

// TestShippedIndex: the index has every symlink and every program of the embedded directories.
func TestShippedIndex(t *testing.T) {
	var lines []string
	for _, dir := range shippedDirs {
		require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			require.NoError(t, err)
			if d.Type() == fs.ModeSymlink {
				target, err := os.Readlink(name)
				require.NoError(t, err)
				lines = append(lines, "link "+name+" "+target+"\n")
			} else if info.Mode()&0o100 != 0 {
				lines = append(lines, "exec "+name+"\n")
			}
			return nil
		}))
	}
	slices.Sort(lines)
	want := strings.Join(lines, "")
	if *update {
		require.NoError(t, os.WriteFile("shipped.index", []byte(want), 0o644))
		return
	}
	require.Equal(t, want, shippedIndex, "stale; run: go test ./recipes -run TestShippedIndex -update")
}

// TestShippedIsExtracted: what is extracted is what lies in this directory.
func TestShippedIsExtracted(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	file, err := shippedPath(cache, "debian-pi")
	require.NoError(t, err)
	again, err := shippedPath(cache, "stages")
	require.NoError(t, err)
	require.Equal(t, filepath.Dir(file), filepath.Dir(again))
	root := filepath.Dir(filepath.Dir(file))
	list := func(dir string) (out []string) {
		require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			require.NoError(t, err)
			info, err := d.Info()
			require.NoError(t, err)
			target, _ := os.Readlink(name)
			below, err := filepath.Rel(dir, name)
			require.NoError(t, err)
			out = append(out, below+" "+d.Type().String()+" "+target+map[bool]string{true: "x"}[info.Mode()&0o100 != 0])
			return nil
		}))
		return out
	}
	for _, dir := range shippedDirs {
		require.Equal(t, list(dir), list(filepath.Join(root, dir)))
	}
	entries, err := os.ReadDir(cache)
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary directory is left")
}

func TestIncludeShipped(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	t.Chdir(dir)
	write := func(text string) {
		require.NoError(t, os.WriteFile("pi.yml", []byte(text), 0o600))
	}
	write("name: pi\ninclude: [pkbuild:debian-pi, pkbuild:stages]\n")
	r, err := Load("pi.yml", Options{Shipped: cache})
	require.NoError(t, err)
	require.Equal(t, "trixie", r.Base.Debian.Suite)
	require.FileExists(t, filepath.Join(r.Layers[1].Files[0].Source, "etc/systemd/network/20-wired.network"))

	write("name: pi\ninclude: [pkbuild:debian-py]\n")
	_, err = Load("pi.yml", Options{Shipped: cache})
	require.EqualError(t, err, `pi.yml:2:11: include[0]: no recipe "debian-py" ships with pkbuild; did you mean pkbuild:debian-pi?`)
	write("name: pi\ninclude: [pkbuild:zzz]\n")
	_, err = Load("pi.yml", Options{Shipped: cache})
	require.ErrorContains(t, err, `no recipe "zzz" ships with pkbuild; known are caddy, controller, debian-pi, `)
	write("name: pi\ninclude: [pkbuild:debian-pi]\n")
	_, err = Load("pi.yml", Options{})
	require.EqualError(t, err, "pi.yml:2:11: include[0]: shipped recipes cannot be included without a cache")
}
