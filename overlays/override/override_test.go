package override_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/overlays/override"
)

// device is the layers of an overlay, like that on /etc of a device.
type device struct{ base, stage, upper, work, merged string }

func newDevice(t *testing.T) device {
	t.Helper()
	needs.Root(t)
	dir := t.TempDir()
	d := device{dir + "/base", dir + "/stage", dir + "/upper", dir + "/work", dir + "/merged"}
	for _, dir := range []string{d.base, d.stage, d.upper, d.work, d.merged} {
		require.NoError(t, os.Mkdir(dir, 0o755))
	}
	return d
}

func (d device) layers() []override.Layer {
	return []override.Layer{{Name: "stage 3", Dir: d.stage}, {Name: "the base", Dir: d.base}}
}

// change mounts the overlay while a function changes the merged directory.
func (d device) change(t *testing.T, options string, do func(dir string) error) {
	t.Helper()
	m := overlays.Mount{Lowerdirs: []string{d.stage, d.base}, Upperdir: d.upper, Workdir: d.work}
	require.NoError(t, syscall.Mount("overlay", d.merged, "overlay", 0, strings.ReplaceAll(m.Options(), ",index=off,metacopy=off,redirect_dir=nofollow", "")+options))
	defer func() { require.NoError(t, syscall.Unmount(d.merged, 0)) }()
	require.NoError(t, do(d.merged))
}

func (d device) overrides(t *testing.T) []override.Override {
	t.Helper()
	found, err := override.Overrides(d.upper, d.layers())
	require.NoError(t, err)
	return found
}

// write writes files below a directory, and their parents.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
}

func TestOverridesInKernelUpperdir(t *testing.T) {
	d := newDevice(t)
	write(t, d.base, map[string]string{
		"hostname": "base", "motd": "base", "ssh/config": "base", "ssh/keys": "base", "apt/sources": "base", "apt/d/x": "base",
		"dropped": "base", "touched": "base", "shadow": "base", "was-file": "base", "was-dir/x": "base", "moved/x": "base",
		"linked": "base", "dir/kept": "base",
	})
	write(t, d.stage, map[string]string{"motd": "stage", "only-stage": "stage", "linked": "stage"})
	at := func(name string) string { return filepath.Join(d.merged, name) }
	d.change(t, "", func(string) error {
		write(t, d.merged, map[string]string{"hostname": "user", "motd": "user", "new": "user", "new-dir/x": "user"})
		for _, err := range []error{
			os.Remove(at("dropped")), os.Remove(at("only-stage")),
			os.Chmod(at("shadow"), 0o600), os.Chown(at("ssh/config"), 5, 5),
			os.WriteFile(at("touched"), []byte("base"), 0o644),
			os.RemoveAll(at("apt")), os.Mkdir(at("apt"), 0o755), os.WriteFile(at("apt/sources"), []byte("user"), 0o644),
			os.Remove(at("was-file")), os.Mkdir(at("was-file"), 0o755),
			os.RemoveAll(at("was-dir")), os.WriteFile(at("was-dir"), []byte("user"), 0o644),
			os.Mkdir(at("empty"), 0o755), os.Chmod(at("dir"), 0o700),
			os.Remove(at("linked")), os.Symlink("/nowhere", at("linked")),
		} {
			require.NoError(t, err)
		}
		return nil
	})
	found := d.overrides(t)
	type row struct {
		path    string
		change  override.Change
		against string
	}
	var got []row
	for _, o := range found {
		got = append(got, row{o.Path, o.Change, o.Against})
		require.Equal(t, o.Against != "", o.Below != "", o.Path)
	}
	require.Equal(t, []row{
		{"apt", override.Replaced, "the base"},
		{"apt/sources", override.Added, ""},
		{"dir", override.Metadata, "the base"},
		{"dropped", override.Deleted, "the base"},
		{"empty", override.Added, ""},
		{"hostname", override.Changed, "the base"},
		{"linked", override.Changed, "stage 3"},
		{"motd", override.Changed, "stage 3"},
		{"new", override.Added, ""},
		{"new-dir/x", override.Added, ""},
		{"only-stage", override.Deleted, "stage 3"},
		{"shadow", override.Metadata, "the base"},
		{"ssh/config", override.Metadata, "the base"},
		{"touched", override.Unchanged, "the base"},
		{"was-dir", override.Changed, "the base"},
		{"was-file", override.Replaced, "the base"},
	}, got)
}

// With metacopy=on the kernel copies up the metadata only.
func TestMetacopy(t *testing.T) {
	d := newDevice(t)
	write(t, d.base, map[string]string{"big": "base"})
	d.change(t, ",metacopy=on", func(dir string) error { return os.Chmod(dir+"/big", 0o600) })
	found := d.overrides(t)
	require.Len(t, found, 1)
	require.Equal(t, override.Metadata, found[0].Change)
}

// Below a file of a nearer layer a directory of a farther one is invisible.
func TestFileHidesDirectoryBelow(t *testing.T) {
	dir := t.TempDir()
	base, stage, upper := dir+"/base", dir+"/stage", dir+"/upper"
	write(t, base, map[string]string{"a/b": "base"})
	write(t, stage, map[string]string{"a": "stage"})
	write(t, upper, map[string]string{"a/b": "user"})
	found, err := override.Overrides(upper, []override.Layer{{Name: "stage", Dir: stage}, {Name: "base", Dir: base}})
	require.NoError(t, err)
	require.Len(t, found, 2)
	require.Equal(t, override.Override{Path: "a/b", Change: override.Added}, found[1])
	require.Equal(t, override.Changed, found[0].Change)
}

func TestOverridesErrors(t *testing.T) {
	_, err := override.Overrides("/nowhere", nil)
	require.EqualError(t, err, "overrides in /nowhere: open /nowhere: no such file or directory")
}

func TestFingerprint(t *testing.T) {
	dir := t.TempDir()
	name := dir + "/file"
	seen := map[string]string{}
	for what, do := range map[string]func() error{
		"content":   func() error { return os.WriteFile(name, []byte("other"), 0o644) },
		"mode":      func() error { return os.Chmod(name, 0o600) },
		"symlink":   func() error { return os.Symlink("/nowhere", name) },
		"directory": func() error { return os.Mkdir(name, 0o755) },
		"nothing":   func() error { return nil },
	} {
		require.NoError(t, os.RemoveAll(name))
		if what == "content" || what == "mode" || what == "nothing" {
			require.NoError(t, os.WriteFile(name, []byte("text"), 0o644))
		}
		require.NoError(t, do())
		sum, err := override.Fingerprint(name)
		require.NoError(t, err)
		require.Len(t, sum, 64)
		require.Empty(t, seen[sum], "%s and %s have equal fingerprints", what, seen[sum])
		seen[sum] = what
	}
}
