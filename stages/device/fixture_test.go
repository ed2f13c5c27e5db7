package device_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages/device"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// put writes files below a directory, and the directories that they lie in.
func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		full := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, []byte(text), 0o644))
	}
}

// bundle is the manifest of a stage.
const bundle = "forklift-version: v0.8.0-alpha.6\npallet: {path: example.org/pallet, version: v1.0.0, clean: true}\n"

// newDevice returns a device with four stages, of which 1 has the factory's name, 2 is current, 3 is next and 4 is of no
// use; stage 2 runs. Its user changed /etc/motd of stage 2 and /etc/hosts of the image, and added /etc/mine/x.
func newDevice(t *testing.T) (device.Device, *fakeDocker) {
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"store/forklift-stage-store.yml": "forklift-version: v0.7.0\nstaged: {next: 3, history: [1, 2], names: {factory-reset: 1}}\n",
		"store/1/forklift-bundle.yml":    bundle, "store/2/forklift-bundle.yml": bundle,
		"store/3/forklift-bundle.yml": bundle, "store/4/forklift-bundle.yml": bundle,
		"stage/motd": "stage\n", "base/motd": "image\n", "base/hosts": "image\n", "base/passwd": "image\n",
		"upper/motd": "user\n", "upper/hosts": "user\n", "upper/mine/x": "user\n",
		"state/.keep": "",
	})
	fake := &fakeDocker{images: map[string]docker.Image{}}
	d := device.Device{
		Store: filepath.Join(dir, "store"), State: filepath.Join(dir, "state"), Boot: filepath.Join(dir, "boot.json"),
		Applied: filepath.Join(dir, "apply.json"), Docker: fake,
	}
	setBoot(t, d, report.Boot{
		Version: 1, Choice: report.Choice{Stage: 2, Reason: "stage 2 is next and proven"},
		Overlays: []report.Overlay{{
			Target: "/etc", Lowerdirs: []string{dir + "/stage", dir + "/base"}, Upperdir: dir + "/upper",
		}},
	})
	return d, fake
}

// root is the directory in which a device of newDevice lies.
func root(d device.Device) string { return filepath.Dir(d.Store) }

func setBoot(t *testing.T, d device.Device, boot report.Boot) {
	t.Helper()
	data, err := json.Marshal(boot)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(d.Boot, data, 0o644))
}

// runs sets the stage of this boot.
func runs(t *testing.T, d device.Device, stage int) {
	t.Helper()
	boot, err := d.BootReport()
	require.NoError(t, err)
	boot.Choice.Stage = stage
	setBoot(t, d, boot)
}

// fakeDocker is a Docker in memory.
type fakeDocker struct {
	images  map[string]docker.Image // by name
	down    error                   // of every call
	refused error                   // of pulls
	calls   []string
}

func (f *fakeDocker) call(format string, args ...any) error {
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	return f.down
}

func (f *fakeDocker) Host(context.Context) (docker.Host, error) {
	return docker.Host{Root: "/var/lib/docker", Platform: "linux/arm64"}, f.call("host")
}

func (f *fakeDocker) Image(_ context.Context, name string) (docker.Image, error) {
	if f.down != nil {
		return docker.Image{}, f.down
	}
	i, known := f.images[name]
	if !known {
		return i, docker.ErrNoImage
	}
	return i, nil
}

func (f *fakeDocker) Pull(_ context.Context, name, platform string, _ func(string)) error {
	if err := f.call("pull %s %s", name, platform); err != nil || f.refused != nil {
		return f.refused
	}
	image := docker.Image{ID: digest.FromString(name).String(), Os: "linux", Architecture: "arm64"}
	f.images[name], f.images[image.ID] = image, image
	return nil
}

func (f *fakeDocker) Remove(_ context.Context, name string) error {
	delete(f.images, name)
	return f.call("remove %s", name)
}

func (f *fakeDocker) Images(context.Context) ([]docker.Image, error) {
	var all []docker.Image
	for _, i := range f.images {
		all = append(all, i)
	}
	return all, f.down
}

func (f *fakeDocker) Sizes(context.Context, string) ([]int64, error) { return nil, f.down }
func (f *fakeDocker) Tag(context.Context, string, string) error      { return f.down }
func (f *fakeDocker) Save(context.Context, string, io.Writer) error  { return f.down }
func (f *fakeDocker) Load(context.Context, io.Reader) error          { return f.down }
func (f *fakeDocker) Sync(string) error                              { return f.down }
func (f *fakeDocker) has(name string) bool                           { _, ok := f.images[name]; return ok }
func numbers(all []device.Stage) (out []int) {
	for _, s := range all {
		out = append(out, s.Stage)
	}
	return out
}
func paths(all []device.Override) (out []string) {
	for _, o := range all {
		out = append(out, o.Path)
	}
	slices.Sort(out)
	return out
}
