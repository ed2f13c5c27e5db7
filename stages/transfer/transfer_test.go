package transfer

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
)

const sum = "sha256:0123456789012345678901234567890123456789012345678901234567890123"

// exporter returns the store and the Docker of a device with a stage of two images, which share a layer.
func exporter(t testing.TB) (dir string, d *fake) {
	t.Helper()
	return staged(t, "app:1", "x/pinned:2@"+sum), exporterDocker(t)
}

func exporterDocker(t testing.TB) *fake {
	t.Helper()
	d := newFake()
	base := layer(t, "base", noise(1, 9000))
	d.add(t, "docker.io/library/app:1", base, layer(t, "app", noise(2, 5000)), base)
	d.add(t, "docker.io/x/pinned:2@"+sum, base, layer(t, "pinned", bytes.Repeat([]byte("a"), 50_000)))
	return d
}

// plenty is a file system with unlimited space.
func plenty(string) (Space, error) { return Space{Free: 1 << 60}, nil }

// exported returns the file with the exporter's stage.
func exported(t testing.TB, compress bool) []byte {
	t.Helper()
	dir, d := exporter(t)
	return exporting(t, dir, d, compress)
}

func exporting(t testing.TB, dir string, d Docker, compress bool) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "stage.tar")
	e := Exporter{Docker: d, Store: dir, Compress: compress, Space: plenty, Notify: func(Event) {}}
	_, err := e.Export(t.Context(), 1, name)
	require.NoError(t, err)
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return data
}

func TestExportAndImport(t *testing.T) {
	for name, test := range map[string]struct{ compress, oci bool }{
		"zstd": {compress: true}, "plain": {}, "zstd, Docker 25": {compress: true, oci: true},
	} {
		t.Run(name, func(t *testing.T) {
			store, from := exporter(t)
			from.oci = test.oci
			data := exporting(t, store, from, test.compress)
			d, dir := newFake(), t.TempDir()
			other := d.add(t, "docker.io/library/app:1", layer(t, "other", nil))
			m := Importer{Docker: d, Store: dir, Space: plenty, Notify: func(Event) {}}
			file, err := Read(bytes.NewReader(data))
			require.NoError(t, err)
			p, err := m.Plan(t.Context(), file)
			require.NoError(t, err)
			require.Len(t, p.Load, 2)
			require.NoError(t, p.WriteRecord(dir))
			require.NoError(t, m.LoadImages(t.Context(), p))
			require.Equal(t, []int{2, 2}, []int{d.loads, d.synced}, "synced after the last load")
			s := opening(t, dir)
			n, err := s.Add(t.Context(), p.Manifest(), p.Fill)
			require.NoError(t, errors.Join(err, s.Close()))
			require.Equal(t, 1, n)
			require.Equal(t, []string{"docker.io/library/app:1"}, d.tagged(other), "an import moves no name")
			pins, err := images.ReadPins(filepath.Join(dir, "1"))
			require.NoError(t, err)
			for _, i := range file.Index.Images {
				require.Equal(t, []string{"localhost/pkctl:" + i.ID.Encoded()}, d.tagged(i.ID))
				pin, _ := pins.Find(i.Names[0])
				require.Equal(t, i.ID, pin.ID)
			}
			record, err := images.ReadRecord(dir)
			require.NoError(t, err)
			require.Equal(t, "/docker", record.Root)
			require.Len(t, record.Images, 2)
			again, err := m.Plan(t.Context(), file)
			require.NoError(t, err)
			require.Equal(t, 1, again.Stage)
			require.Empty(t, again.Load)
		})
	}
}

// TestImportOfOtherImages imports a bundle that is on the device with other images beside it.
func TestImportOfOtherImages(t *testing.T) {
	data := exported(t, true)
	file, err := Read(bytes.NewReader(data))
	require.NoError(t, err)
	for name, test := range map[string]struct {
		pinned bool // whether the stage on the device is pinned
		other  bool // whether its image is another one
		want   int  // stage that is the same
	}{
		"pinned, same": {pinned: true, want: 1}, "pinned, other": {pinned: true, other: true},
		"by name, same": {want: 1}, "by name, other": {other: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newFake()
			m := Importer{Docker: d, Store: t.TempDir(), Space: plenty, Notify: func(Event) {}}
			p, err := m.Plan(t.Context(), file)
			require.NoError(t, err)
			require.NoError(t, m.LoadImages(t.Context(), p))
			s := opening(t, m.Store)
			_, err = s.Add(t.Context(), p.Manifest(), p.Fill)
			require.NoError(t, errors.Join(err, s.Close()))
			bundle := filepath.Join(m.Store, "1")
			pins, err := images.ReadPins(bundle)
			require.NoError(t, err)
			require.NoError(t, os.Remove(filepath.Join(bundle, "pins.json")))
			other := d.add(t, "docker.io/library/other:1", layer(t, "other", nil))
			if test.other {
				d.names["docker.io/library/app:1"] = other
				for n := range pins.Images {
					pins.Images[n].ID = other
				}
			}
			if test.pinned {
				require.NoError(t, images.WritePins(bundle, pins))
			}
			p, err = m.Plan(t.Context(), file)
			require.NoError(t, err)
			require.Equal(t, test.want, p.Stage)
		})
	}
}

func TestExportRefuses(t *testing.T) {
	dir, _ := exporter(t)
	for name, test := range map[string]struct {
		change  func(*Exporter, *fake)
		wantErr string
	}{
		"too little space": {func(e *Exporter, _ *fake) {
			e.Space = func(string) (Space, error) { return Space{Free: 30_000}, nil }
		}, "too little space in "},
		"too large for FAT": {func(e *Exporter, d *fake) {
			e.Space = func(string) (Space, error) { return Space{Free: 1 << 60, FAT: true}, nil }
			e.Docker = huge{d}
		}, "is on a FAT file system, which holds files of less than 4 GiB: this one may have 1"},
		"inventory of another platform": {func(e *Exporter, _ *fake) { e.For = &Inventory{Platform: "linux/arm64"} },
			"inventory is of a device with platform linux/arm64, this one has linux/amd64"},
		"missing image": {func(_ *Exporter, d *fake) { delete(d.names, "docker.io/library/app:1") },
			"image docker.io/library/app:1 is not on this device; fetch it with pkctl stage set-next"},
		"no docker":  {func(_ *Exporter, d *fake) { d.none = true }, "the stage needs 2 container images: cannot reach the Docker daemon: it is not installed"},
		"containerd": {func(_ *Exporter, d *fake) { d.host.Containerd = true }, "Docker uses containerd's image store"},
		"save fails": {func(_ *Exporter, d *fake) { d.broken = errors.New("killed") }, ": killed"},
		"another layer is saved": {func(_ *Exporter, d *fake) {
			for id, data := range d.blobs {
				if len(data) > 9000 && len(data) < 12_000 {
					d.blobs[id] = layer(t, "base", noise(3, 9000))
				}
			}
		}, "docker saved the image without its layer sha256:"},
	} {
		t.Run(name, func(t *testing.T) {
			d := exporterDocker(t)
			e := Exporter{Docker: d, Store: dir, Compress: true, Space: plenty, Notify: func(Event) {}}
			test.change(&e, d)
			to := t.TempDir()
			_, err := e.Export(t.Context(), 1, filepath.Join(to, "stage.tar"))
			require.ErrorContains(t, err, test.wantErr)
			left, err := os.ReadDir(to)
			require.NoError(t, err)
			require.Empty(t, left, "no incomplete file is left")
		})
	}
}

// huge is a Docker with large layers.
type huge struct{ *fake }

func (h huge) Sizes(context.Context, string) ([]int64, error) { return []int64{6 << 30, 1, 1}, nil }

func TestImportRefuses(t *testing.T) {
	data := exported(t, true)
	little := func(root string, free int64) func(*Importer, *fake) {
		return func(m *Importer, _ *fake) {
			m.Space = func(path string) (Space, error) {
				if path == root {
					return Space{ID: 2, Free: free}, nil
				}
				return Space{ID: 1, Free: 1 << 60}, nil
			}
		}
	}
	for name, test := range map[string]struct {
		change  func(*Importer, *fake)
		wantErr string
	}{
		"too little space for docker": {little("/docker", dockerNeeds-1), "too little space in /docker: 142 kB needed, 142 kB free"},
		"no docker":                   {func(_ *Importer, d *fake) { d.none = true }, "stage has 2 container images: cannot reach the Docker daemon: it is not installed (install or start Docker: systemctl start docker)"},
		"another platform":            {func(_ *Importer, d *fake) { d.host.Platform = "linux/arm64" }, "stage is for platform linux/amd64, this device has linux/arm64"},
		"containerd":                  {func(_ *Importer, d *fake) { d.host.Containerd = true }, "Docker uses containerd's image store"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newFake()
			m := Importer{Docker: d, Store: t.TempDir(), Space: plenty, Notify: func(Event) {}}
			test.change(&m, d)
			file, err := Read(bytes.NewReader(data))
			require.NoError(t, err)
			_, err = m.Plan(t.Context(), file)
			require.ErrorContains(t, err, test.wantErr)
		})
	}
}

// dockerNeeds is the space for the exporter's images, in bytes: layers of 10,752, 6,656 and 51,712, the first one above two
// others, and those of the first image once more while it is loaded.
const dockerNeeds = 2*10_752 + 6_656 + 51_712 + (10_752 + 51_712)

// TestSharedFileSystem needs space for Docker and the stages together.
func TestSharedFileSystem(t *testing.T) {
	data := exported(t, true)
	var free int64 = 1 << 40
	m := Importer{Docker: newFake(), Store: t.TempDir(), Notify: func(Event) {}, Space: func(string) (Space, error) {
		return Space{Free: free}, nil
	}}
	file, err := Read(bytes.NewReader(data))
	require.NoError(t, err)
	p, err := m.Plan(t.Context(), file)
	require.NoError(t, err)
	free = p.bundle.size + dockerNeeds
	_, err = m.Plan(t.Context(), file)
	require.NoError(t, err)
	free--
	_, err = m.Plan(t.Context(), file)
	require.ErrorContains(t, err, "too little space in /docker")
}

func TestMissingLayers(t *testing.T) {
	dir, d := exporter(t)
	e := Exporter{Docker: d, Store: dir, Space: plenty, Notify: func(Event) {}}
	v, err := TakeInventory(t.Context(), d, dir)
	require.NoError(t, err)
	e.For = &v
	name := filepath.Join(t.TempDir(), "stage.tar")
	out, err := e.Export(t.Context(), 1, name)
	require.NoError(t, err)
	require.Equal(t, []int{1, 0, 3}, []int{out.There, out.Layers, out.LeftOut})
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	file, err := Read(f)
	require.NoError(t, err)
	m := Importer{Docker: newFake(), Store: t.TempDir(), Space: plenty, Notify: func(Event) {}}
	_, err = m.Plan(t.Context(), file)
	require.ErrorContains(t, err, "is neither on this device nor completely in the file, which was exported for a device with more layers: "+
		"export it again with --for and a new inventory, or without --for")
	m.Docker = d
	_, err = m.Plan(t.Context(), file)
	require.NoError(t, err, "a device with all layers")
}

// TestFileChangesAfterVerification imports nothing from a file that changed after Plan.
func TestFileChangesAfterVerification(t *testing.T) {
	data := exported(t, false)
	d, dir := newFake(), t.TempDir()
	m := Importer{Docker: d, Store: dir, Space: plenty, Notify: func(Event) {}}
	file, err := Read(bytes.NewReader(data))
	require.NoError(t, err)
	p, err := m.Plan(t.Context(), file)
	require.NoError(t, err)
	for i := range data {
		if data[i] == 'a' {
			data[i] = 'b'
		}
	}
	require.Error(t, m.LoadImages(t.Context(), p))
	s := opening(t, dir)
	_, err = s.Add(t.Context(), p.Manifest(), p.Fill)
	require.Error(t, err)
	require.NoError(t, s.Close())
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(dir, ".lock")}, left)
}

func TestImportInterrupted(t *testing.T) {
	data := exported(t, true)
	d, dir := newFake(), t.TempDir()
	m := Importer{Docker: d, Store: dir, Space: plenty, Notify: func(Event) {}}
	file, err := Read(bytes.NewReader(data))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = m.Plan(ctx, file)
	require.ErrorIs(t, err, context.Canceled)

	p, err := m.Plan(t.Context(), file)
	require.NoError(t, err)
	d.broken = errors.New("killed")
	require.ErrorContains(t, m.LoadImages(t.Context(), p), ": killed")
	d.broken = nil
	p, err = m.Plan(t.Context(), file)
	require.NoError(t, err)
	require.NoError(t, m.LoadImages(t.Context(), p), "resumed")
	require.Equal(t, 3, d.loads)
}

func TestStageWithoutImagesNeedsNoDocker(t *testing.T) {
	none := newFake()
	none.none = true
	name := filepath.Join(t.TempDir(), "stage.tar")
	_, err := Exporter{Docker: none, Store: staged(t), Space: plenty, Notify: func(Event) {}}.Export(t.Context(), 1, name)
	require.NoError(t, err)
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	file, err := Read(f)
	require.NoError(t, err)
	_, err = Importer{Docker: none, Store: t.TempDir(), Space: plenty, Notify: func(Event) {}}.Plan(t.Context(), file)
	require.NoError(t, err)
	v, err := TakeInventory(t.Context(), none, staged(t))
	require.ErrorIs(t, err, docker.ErrUnavailable)
	require.Len(t, v.Bundles, 1)
}

func TestParseInventory(t *testing.T) {
	for text, message := range map[string]string{
		"":   "parse inventory: EOF (make one with: pkctl stage inventory)",
		"{}": "parse inventory: version is 0, want 1",
		`{"version": 1, "images": [{"id": "x"}]}`: `parse inventory: "x" is not a SHA-256 digest`,
	} {
		_, err := ParseInventory([]byte(text))
		require.EqualError(t, err, message)
	}
	_, err := ParseInventory(make([]byte, maxInventory+1))
	require.EqualError(t, err, "inventory has more than the allowed 4194304 bytes")
}
