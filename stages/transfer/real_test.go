package transfer

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	pkimages "github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/dockertest"
	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// device is a device with a real Docker.
type device struct {
	*dockertest.Daemon
	t     *testing.T
	store string
	said  []string
}

// here is Docker of the device: the client asks whom the environment names.
func (d *device) here() docker.Client {
	d.t.Setenv("DOCKER_HOST", d.Host)
	return docker.Client{}
}

func (d *device) fetch(names ...string) error {
	f := images.Fetcher{Docker: d.here(), Wait: 1, Notify: func(e images.Event) { d.said = append(d.said, e.String()) }}
	_, err := f.Fetch(d.t.Context(), images.Record{}, pkimages.Pins{}, names)
	return err
}

func (d *device) export(v *Inventory, compress bool) string {
	d.t.Helper()
	name := filepath.Join(d.t.TempDir(), "stage.tar")
	e := Exporter{Docker: d.here(), Store: d.store, For: v, Compress: compress, Space: Statfs, Notify: func(Event) {}}
	_, err := e.Export(d.t.Context(), 1, name)
	require.NoError(d.t, err)
	return name
}

func (d *device) importer() Importer {
	return Importer{Docker: d.here(), Store: d.store, Space: Statfs, Notify: func(Event) {}}
}

func (d *device) plan(name string) (*Plan, error) {
	d.t.Helper()
	f, err := os.Open(name)
	require.NoError(d.t, err)
	d.t.Cleanup(func() { f.Close() })
	file, err := Read(f)
	require.NoError(d.t, err)
	return d.importer().Plan(d.t.Context(), file)
}

// take imports a file and returns the stage.
func (d *device) take(name string) int {
	d.t.Helper()
	p, err := d.plan(name)
	require.NoError(d.t, err)
	require.NoError(d.t, p.WriteRecord(d.store))
	require.NoError(d.t, d.importer().LoadImages(d.t.Context(), p))
	s := opening(d.t, d.store)
	n, err := s.Add(d.t.Context(), p.Manifest(), p.Fill)
	require.NoError(d.t, err)
	require.NoError(d.t, s.Close())
	return n
}

// TestHello has the programs of all architectures run, those of others by an emulator.
func TestHello(t *testing.T) {
	emulators := map[string]string{"amd64": "qemu-x86_64-static", "arm64": "qemu-aarch64-static"}
	for architecture := range programs {
		name := filepath.Join(t.TempDir(), "hello")
		require.NoError(t, os.WriteFile(name, hello(t, architecture), 0o755))
		cmd := exec.Command(name)
		if architecture != runtime.GOARCH {
			cmd = exec.Command(needs.Program(t, emulators[architecture]), name)
		}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, architecture)
		require.Equal(t, "hello\n", string(out))
	}
}

// TestTwoDevices carries a stage from one Docker to another one, with an inventory and without.
func TestTwoDevices(t *testing.T) {
	one := &device{Daemon: dockertest.Start(t, t.TempDir()), t: t}
	two := &device{Daemon: dockertest.Start(t, t.TempDir()), t: t, store: t.TempDir()}
	base := layer(t, "hello", hello(t, runtime.GOARCH))
	old, further := layer(t, "old", noise(1, 100_000)), layer(t, "new", noise(2, 100_000))
	reg := registry{}
	server := httptest.NewServer(reg)
	host := strings.TrimPrefix(server.URL, "http://")
	oldName := fmt.Sprintf("%s/app@%s", host, reg.add(t, base, old))
	pinned := fmt.Sprintf("%s/app:2@%s", host, reg.add(t, base, further))
	swapped := fmt.Sprintf("%s/swapped:1@%s", host, reg.add(t, further, base)) // the same layers, and other chains
	one.store = staged(t, pinned, swapped)

	require.NoError(t, one.fetch(oldName, pinned, swapped))
	require.Contains(t, one.said, fmt.Sprintf("image 2 of 3: %s: 2 of 2 layers", pinned))
	require.NoError(t, two.fetch(oldName))
	err := two.fetch(fmt.Sprintf("%s/gone:1", host))
	require.ErrorContains(t, err, fmt.Sprintf("image %s/gone:1: Error response from daemon: ", host))
	require.NotContains(t, two.said[len(two.said)-1], "retrying", "no retry")
	server.Close()

	inventory, err := TakeInventory(t.Context(), two.here(), two.store)
	require.NoError(t, err)
	name := one.export(&inventory, true)
	f, err := os.Open(name)
	require.NoError(t, err)
	file, err := Read(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Len(t, file.Index.Layers, 2, "the base is left out of one image, and is needed by the other one over another layer")

	interrupts(t, two, name)
	n := two.take(name)
	require.Equal(t, 1, n)
	same, err := store.Verify(os.DirFS(two.store), n)
	require.NoError(t, err)
	require.Empty(t, same)
	two.Run(nil, "tag", oldName, "mine:1")
	two.Run(nil, "image", "prune", "--force") // takes what has no tag
	again, err := two.plan(name)
	require.NoError(t, err)
	require.Equal(t, n, again.Stage)
	require.Empty(t, again.Load)

	two.Stop() // a reboot
	record, err := images.ReadRecord(two.store)
	require.NoError(t, err)
	linked, err := images.AddDigests(record)
	require.NoError(t, err)
	require.Equal(t, 2, linked)
	two.Start()
	for _, name := range []string{pinned, swapped} {
		require.Equal(t, "hello\n", two.Run(nil, "run", "--rm", "--pull", "never", "--network", "none", name))
	}
	prunes(t, two, record, pinned, swapped, "mine:1")

	// Without an inventory the file is one that Docker loads itself.
	data, err := os.ReadFile(one.export(nil, false))
	require.NoError(t, err)
	require.Contains(t, two.Run(data, "load"), "Loaded image: "+host+"/app:2\n")
	require.Equal(t, "hello\n", two.Run(nil, "run", "--rm", "--pull", "never", "--network", "none", host+"/swapped:1"))
}

// interrupts ends an import while the second image is loaded. Docker keeps nothing of that, and the next import goes on.
func interrupts(t *testing.T, d *device, name string) {
	t.Helper()
	p, err := d.plan(name)
	require.NoError(t, err)
	require.Len(t, p.Load, 2)
	ctx, cancel := context.WithCancel(t.Context())
	m := d.importer()
	m.Notify = func(e Event) {
		if strings.HasPrefix(e.Text, "loading image 2 of 2") {
			cancel()
		}
	}
	require.ErrorIs(t, m.LoadImages(ctx, p), context.Canceled)
	left, err := filepath.Glob(filepath.Join(d.Data, "tmp", "*"))
	require.NoError(t, err)
	require.Empty(t, left)
	p, err = d.plan(name)
	require.NoError(t, err)
	require.Len(t, p.Load, 1)
}

// prunes has the images of a record removed, and no others.
func prunes(t *testing.T, d *device, record images.Record, gone, used, stays string) {
	t.Helper()
	d.Run(nil, "create", "--name", "mine", "--network", "none", used)
	pruned, err := images.Prune(t.Context(), d.here(), record, images.Needed{})
	require.NoError(t, err)
	require.Equal(t, []string{gone}, pruned.Removed)
	require.Equal(t, []string{"image " + used + " is kept: a container uses it"}, pruned.Kept)
	d.Run(nil, "rm", "mine")
	pruned, err = images.Prune(t.Context(), d.here(), pruned.Record, images.Needed{})
	require.NoError(t, err)
	require.Equal(t, []string{used}, pruned.Removed)
	require.Empty(t, pruned.Record.Images)
	all, err := d.here().Images(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, "hello\n", d.Run(nil, "run", "--rm", "--pull", "never", "--network", "none", stays))
}
