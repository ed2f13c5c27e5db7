package bootset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/firmware"
)

var errCut = errors.New("power cut")

// change is a change of a file that is not on the disk yet: a removal where data is nil.
type change struct {
	name string
	data []byte
	torn bool // may be on the disk in part, unlike a single sector
}

// model is a FAT file system without a journal: until a sync, each change is on the disk or not, whatever its order, and a new
// file may be there with a part of its content.
type model struct {
	disk    map[string][]byte
	pending []change
	left    int // operations until the power fails; negative: never
	free    int64
}

func (m *model) step() error {
	if m.left == 0 {
		return errCut
	}
	m.left--
	return nil
}

// now returns the files as programs see them.
func (m *model) now() map[string][]byte {
	out := maps.Clone(m.disk)
	for _, c := range m.pending {
		apply(out, c)
	}
	return out
}

func apply(files map[string][]byte, c change) {
	if c.data == nil {
		delete(files, c.name)
		return
	}
	files[c.name] = c.data
}

func (m *model) mapFS() fstest.MapFS {
	out := fstest.MapFS{}
	for name, data := range m.now() {
		out[name] = &fstest.MapFile{Data: data}
	}
	return out
}

func (m *model) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(m.mapFS(), name) }
func (m *model) Open(name string) (io.ReadCloser, error)    { return m.mapFS().Open(name) }
func (m *model) Free() (free, cluster int64, err error)     { return m.free, 4096, nil }

func (m *model) Create(name string, content io.Reader) error {
	data, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	if err := m.step(); err != nil {
		m.pending = append(m.pending, change{name, data[:len(data)/2], true})
		return err
	}
	if _, there := m.now()[name]; there {
		return fmt.Errorf("create %s: %w", name, fs.ErrExist)
	}
	m.pending = append(m.pending, change{name, append([]byte{}, data...), true})
	return nil
}

func (m *model) Overwrite(name string, data []byte) error {
	if len(data) != sectorSize {
		return fmt.Errorf("overwrite %s with %d bytes, want a sector", name, len(data))
	}
	m.pending = append(m.pending, change{name: name, data: bytes.Clone(data)})
	return m.Sync()
}

func (m *model) RemoveAll(name string) error {
	for file := range m.now() {
		if file != name && !strings.HasPrefix(file, name+"/") {
			continue
		}
		if err := m.step(); err != nil {
			return err
		}
		m.pending = append(m.pending, change{name: file})
	}
	return nil
}

func (m *model) Sync() error {
	if err := m.step(); err != nil {
		return err
	}
	m.disk, m.pending = m.now(), nil
	return nil
}

// cut returns the file system after a power cut: some of the pending changes are on the disk.
func (m *model) cut(random *rand.Rand) *model {
	out := &model{disk: maps.Clone(m.disk), left: -1, free: m.free}
	for _, c := range m.pending {
		switch random.IntN(3) {
		case 0:
			apply(out.disk, c)
		case 1:
			if c.torn && c.data != nil {
				apply(out.disk, change{name: c.name, data: c.data[:random.IntN(len(c.data)+1)]})
			}
		}
	}
	return out
}

// setFiles are the files of a set whose contents name it.
func setFiles(name string) map[string]Content {
	return map[string]Content{
		Kernel: Bytes([]byte(strings.Repeat("\x00", 56) + "ARMd" + strings.Repeat(name, 500))), Initramfs: Bytes([]byte("initramfs of " + name)),
		Cmdline:               Bytes([]byte("root=PARTUUID=1-02 pkinit.set=" + name + "\n")),
		"bcm2711-rpi-4-b.dtb": Bytes([]byte("tree of " + name)), "overlays/README": Bytes([]byte("overlays")),
	}
}

// newModel returns a boot partition with boot-1, which is selected.
func newModel(t *testing.T) *model {
	m := &model{disk: map[string][]byte{"start4.elf": {}, "fixup4.dat": {}}, left: -1, free: 512 << 20}
	config, err := FormatConfig(1, []string{"arm_64bit=1", "kernel=vmlinuz", "initramfs initramfs.img followkernel"})
	require.NoError(t, err)
	m.disk[ConfigFile] = config
	n, err := Store{m}.Add("6.12", setFiles("boot-1"))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	return m
}

// booted returns the set that a Pi 4 starts, and requires that its files are its own and undamaged.
func booted(t *testing.T, m *model) (number int, c firmware.Choice) {
	b, err := firmware.Named("pi4")
	require.NoError(t, err)
	c = firmware.Choose(m.mapFS(), b, firmware.State{})
	require.NoError(t, c.Err())
	number = ParseDirName(strings.TrimSuffix(c.Prefix, "/"))
	require.NotZero(t, number, "os_prefix is heeded")
	require.NoError(t, Store{m}.Verify(number))
	require.Equal(t, DirName(number)+"/", c.Prefix)
	for _, name := range append([]string{c.Kernel, c.DeviceTree, c.CmdlineFile}, c.Initramfs...) {
		require.True(t, strings.HasPrefix(name, c.Prefix), "%s is of the set", name)
	}
	require.Equal(t, number, RunningSet(c.Cmdline))
	return number, c
}

// TestPowerCuts cuts the power before each operation of an upgrade, with all kinds of pending writes lost.
func TestPowerCuts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	upgrade := func(s Store) error {
		n, err := s.Add("7.3", setFiles("boot-2"))
		if err != nil {
			return err
		}
		if err := s.Try(n); err != nil {
			return err
		}
		if err := s.Launched(n); err != nil {
			return err
		}
		if err := s.Select(n); err != nil {
			return err
		}
		_, err = s.Prune(1)
		return err
	}
	points, states := 0, 0
	for ; ; points++ {
		m := newModel(t)
		m.left = points
		err := upgrade(Store{m})
		if err == nil {
			n, _ := booted(t, m)
			require.Equal(t, 2, n)
			break
		}
		require.ErrorIs(t, err, errCut)
		for range 40 {
			states++
			after := m.cut(random)
			n, c := booted(t, after)
			require.Contains(t, []int{1, 2}, n)
			requireComplete(t, after)
			if c.CmdlineFile == "boot-1/"+Launch {
				pending, err := Store{after}.Pending()
				require.NoError(t, err)
				require.Equal(t, 2, pending)
				require.NoError(t, Store{after}.Verify(pending), "the launcher starts a complete set")
			}
			requireUpgradable(t, after, n)
		}
	}
	t.Logf("%d points, %d states", points, states)
	require.Greater(t, points, 15)
}

// requireComplete: a set with a manifest has all of its files, undamaged.
func requireComplete(t *testing.T, m *model) {
	sets, err := Store{m}.List()
	require.NoError(t, err)
	for _, set := range sets {
		if set.Problem == "" {
			require.NoError(t, Store{m}.Verify(set.Number))
		}
	}
}

// requireUpgradable: what the power cut left does not keep the next command from its work.
func requireUpgradable(t *testing.T, m *model, selected int) {
	s := Store{m}
	require.NoError(t, s.Cancel())
	n, err := s.Add("7.4", setFiles("boot-9"))
	if err == nil {
		err = s.Select(n)
	}
	require.NoError(t, err)
	require.Greater(t, n, selected)
	_, err = s.Prune(1)
	require.NoError(t, err)
	sets, err := s.List()
	require.NoError(t, err)
	require.Len(t, sets, 1)
	for name := range m.now() {
		require.True(t, ParseDirName(path.Dir(name)) == n || !strings.HasPrefix(name, prefix) || strings.HasPrefix(name, DirName(n)+"/"), name)
	}
}

// TestTrialFallsBack: the boot after a trial that was not confirmed is of the selected set, and the set is not tried again.
func TestTrialFallsBack(t *testing.T) {
	m := newModel(t)
	s := Store{m}
	n, err := s.Add("7.3", setFiles("boot-2"))
	require.NoError(t, err)
	require.NoError(t, s.Try(n))
	_, c := booted(t, m)
	require.Equal(t, "root=PARTUUID=1-02 pkinit.set=boot-1 nr_cpus=1 watchdog.stop_on_reboot=0 pkinit.launch=boot-2", c.Cmdline)
	require.NoError(t, s.Launched(n))
	number, c := booted(t, m)
	require.Equal(t, 1, number)
	require.Equal(t, "boot-1/cmdline.txt", c.CmdlineFile)
	require.EqualError(t, s.Launched(n), "boot set 2 was tried before")
	sets, err := s.List()
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(sets, func(s Set) bool { return s.Number == 2 && s.Tried && !s.Selected }))
	require.NoError(t, s.Select(n))
	number, _ = booted(t, m)
	require.Equal(t, 2, number)
	require.Equal(t, []string{"boot-1/launch.txt"}, slices.DeleteFunc(slices.Sorted(maps.Keys(m.now())), func(name string) bool {
		return path.Base(name) != Launch && path.Base(name) != TriedMark
	}))
}

func TestTryByFirmware(t *testing.T) {
	m := newModel(t)
	n, err := Store{m}.Add("7.3", setFiles("boot-2"))
	require.NoError(t, err)
	require.NoError(t, Store{m}.TryByFirmware(n))
	b, err := firmware.Named("pi4")
	require.NoError(t, err)
	c := firmware.Choose(m.mapFS(), b, firmware.State{Tryboot: true})
	require.NoError(t, c.Err())
	require.Equal(t, "boot-2/", c.Prefix)
	number, _ := booted(t, m)
	require.Equal(t, 1, number, "without the flag")
}
