package bootset

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVerifyErrors(t *testing.T) {
	m := newModel(t)
	s := Store{m}
	m.disk["boot-1/vmlinuz"] = []byte("short")
	delete(m.disk, "boot-1/bcm2711-rpi-4-b.dtb")
	err := s.Verify(1)
	require.ErrorContains(t, err, "boot set 1: open boot-1/bcm2711-rpi-4-b.dtb: file does not exist\nboot set 1: vmlinuz is damaged: it has 5 bytes")
	require.EqualError(t, s.Select(1), err.Error())
	require.EqualError(t, s.Verify(7), "boot set 7: incomplete: its writing was interrupted")
	require.ErrorIs(t, s.Remove(1), ErrSelected)
	require.ErrorIs(t, s.Try(1), ErrSelected)
}

// TestEditedCmdline: a command line that a user has edited is no damage.
func TestEditedCmdline(t *testing.T) {
	m := newModel(t)
	m.disk["boot-1/cmdline.txt"] = []byte("root=PARTUUID=1-02 pkinit.grow=0\n")
	require.NoError(t, Store{m}.Verify(1))
	m.disk["boot-1/cmdline.txt"] = nil
	require.EqualError(t, Store{m}.Verify(1), "boot set 1: cmdline.txt is empty")
}

func TestAddErrors(t *testing.T) {
	m := newModel(t)
	m.free = Reserve + 8192
	before := len(m.now())
	_, err := Store{m}.Add("7.3", setFiles("boot-2"))
	require.EqualError(t, err, "boot set needs 16 MiB with a reserve of 16, and the boot partition has 16 MiB free; run: pkctl boot prune")
	require.Len(t, m.now(), before, "nothing was written")

	m.free = 512 << 20
	files := setFiles("boot-2")
	files[Kernel] = Content{Size: 3, Open: Bytes([]byte("longer")).Open}
	_, err = Store{m}.Add("7.3", files)
	require.EqualError(t, err, "write boot set 2: boot-2/vmlinuz has 6 bytes, want 3")
	require.Len(t, m.now(), before, "what was written is removed")
}

func TestPruneKeeps(t *testing.T) {
	m := newModel(t)
	s := Store{m}
	for i := 2; i <= 5; i++ {
		_, err := s.Add("7.3", setFiles(DirName(i)))
		require.NoError(t, err)
	}
	removed, err := s.Prune(2, 3)
	require.NoError(t, err)
	require.Equal(t, []int{2, 4, 5}, removed, "neither the selected one nor one to keep")
}

func TestConfig(t *testing.T) {
	config, err := FormatConfig(3, []string{"arm_64bit=1"})
	require.NoError(t, err)
	require.Len(t, config, sectorSize)
	require.True(t, strings.HasPrefix(string(config), "os_prefix=boot-3/\ncmdline=cmdline.txt\narm_64bit=1\n\n"))
	_, err = FormatConfig(3, []string{strings.Repeat("x", 600)})
	require.EqualError(t, err, "config.txt has 639 bytes, and a sector 512: move lines to another file and include it")
	for text, want := range map[string]string{
		"arm_64bit=1\n":      "no boot sets: config.txt selects none, since the image was built without them",
		"os_prefix=/\n":      `config.txt selects "/", which is no boot set`,
		"os_prefix=boot-0/":  `config.txt selects "boot-0/", which is no boot set`,
		"os_prefix=boot-01/": `config.txt selects "boot-01/", which is no boot set`,
	} {
		_, _, err := parseConfig([]byte(text))
		require.EqualError(t, err, want)
	}
}

// TestEditedConfig: lines that a user has added stay.
func TestEditedConfig(t *testing.T) {
	m := newModel(t)
	m.disk[ConfigFile] = []byte("# mine\r\nos_prefix=boot-1/\r\ndtoverlay=x\n[pi5]\nos_prefix=other/\n")
	s := Store{m}
	n, err := s.Add("7.3", setFiles("boot-2"))
	require.NoError(t, err)
	require.NoError(t, s.Select(n))
	require.Equal(t, "os_prefix=boot-2/\ncmdline=cmdline.txt\n# mine\ndtoverlay=x\n[pi5]\nos_prefix=other/",
		strings.TrimRight(string(m.disk[ConfigFile]), "\n"))
}

func TestManifestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "read set.json: unexpected end of JSON input",
		`{"version":2}`:                        "read set.json: version is 2, want 1",
		`{"version":1,"files":{"../x":{}}}`:    `read set.json: invalid path "../x"`,
		`{"version":1,"files":{"vmlinuz":{}}}`: "read set.json: no file initramfs.img",
	} {
		_, _, err := ParseManifest([]byte(text))
		require.EqualError(t, err, want)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add(FormatManifest("7.3", map[string]File{Kernel: {1, "x"}, Initramfs: {}, Cmdline: {}}), []byte("os_prefix=boot-1/\n"))
	f.Fuzz(func(t *testing.T, data, config []byte) {
		if _, files, err := ParseManifest(data); err == nil {
			for name := range files {
				require.False(t, strings.HasPrefix(name, "/") || strings.HasPrefix(name, "../"), name)
			}
		}
		s, _, err := parseConfig(config)
		if err != nil {
			return
		}
		next, err := withSelection(config, s)
		if err != nil {
			return
		}
		again, _, err := parseConfig(next)
		require.NoError(t, err)
		require.Equal(t, s, again, fmt.Sprintf("%q", next))
	})
}

func TestDir(t *testing.T) {
	dir := t.TempDir()
	d := Dir(dir)
	require.NoError(t, d.Create("a/b", strings.NewReader("one")))
	require.ErrorContains(t, d.Create("a/b", strings.NewReader("one")), "file exists")
	require.NoError(t, d.Overwrite("a/b", []byte("two")))
	require.NoError(t, d.Sync())
	data, err := Store{d}.read("a/b")
	require.NoError(t, err)
	require.Equal(t, "two", string(data))
	free, cluster, err := d.Free()
	require.NoError(t, err)
	require.Positive(t, free)
	require.Positive(t, cluster)
	require.NoError(t, d.RemoveAll("a"))
	entries, err := d.ReadDir(".")
	require.NoError(t, err)
	require.Empty(t, entries)
}
