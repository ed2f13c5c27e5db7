package initsteps_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers/ext4"
	"github.com/PlanktoScope/pkbuild/layers/fat"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

const dataStart = imageSize

// dataCard is a recorder with a third partition, whose content lies in a file. Its power can be cut.
type dataCard struct {
	*recorder
	data  *os.File
	size  int64 // of the data partition, as the kernel knows it
	after int   // writes after which the power fails; negative: never
}

var errPower = errors.New("the power failed")

func (c *dataCard) write(do func() error) error {
	if c.after == 0 {
		return errPower
	}
	c.after--
	return do()
}

func (c *dataCard) Partition(disk string, number int) (initsteps.BlockDevice, error) {
	if number != 3 {
		return initsteps.BlockDevice{}, fmt.Errorf("disk %s has no partition %d", disk, number)
	}
	return initsteps.BlockDevice{
		Name: "/dev/mmcblk0p3", Size: c.size, Partition: 3, Start: dataStart, Disk: disk, DiskSize: c.card.disk,
	}, nil
}

func (c *dataCard) ReadDevice(name string, offset int64, size int) ([]byte, error) {
	if name == "/dev/mmcblk0" {
		return c.recorder.ReadDevice(name, offset, size)
	}
	b := make([]byte, size)
	_, err := c.data.ReadAt(b, offset)
	return b, err
}

func (c *dataCard) WriteDevice(name string, offset int64, b []byte) error {
	return c.write(func() error {
		if name == "/dev/mmcblk0" {
			return c.recorder.WriteDevice(name, offset, b)
		}
		if offset+int64(len(b)) > c.size {
			return fmt.Errorf("write beyond the end of %s", name)
		}
		_, err := c.data.WriteAt(b, offset)
		return err
	})
}

func (c *dataCard) ResizePartition(_ initsteps.BlockDevice, size int64) error {
	return c.write(func() error {
		c.size = size
		return c.data.Truncate(size)
	})
}

// ResizeUnmounted has e2fsprogs do what the kernel does.
func (c *dataCard) ResizeUnmounted(device string, blocks int64) error {
	return c.write(func() error {
		out, err := exec.Command("resize2fs", "-f", c.data.Name(), fmt.Sprint(blocks)).CombinedOutput()
		if err != nil {
			return fmt.Errorf("resize2fs %s: %w: %s", device, err, out)
		}
		return nil
	})
}

// grow runs both steps, as a boot does.
func (c *dataCard) grow() error {
	b := newBoot(c)
	for _, step := range []initsteps.Step{initsteps.GrowPartition{Target: "/"}, initsteps.GrowFileSystem{Target: "/"}} {
		if err := step.Do(b); err != nil && !errors.As(err, new(initsteps.Skip)) {
			return err
		}
	}
	return nil
}

// reboot returns the same card, as the kernel sees it after a reboot.
func (c *dataCard) reboot() *dataCard {
	size := c.size
	if s := sizeOf(c.card, 2); s > 0 {
		size = s
	}
	_ = c.data.Truncate(size)
	return &dataCard{recorder: c.recorder, data: c.data, size: size, after: -1}
}

func sizeOf(c *card, entry int) int64 {
	e := c.table[446+16*entry+12:]
	return int64(uint32(e[0])|uint32(e[1])<<8|uint32(e[2])<<16|uint32(e[3])<<24) * 512
}

// newDataCard returns a card with a file system in its third partition, which the kernel's command line lets grow.
func newDataCard(t *testing.T, format string) *dataCard {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "data"))
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	files := tree.New()
	for _, name := range []string{"a/long name", "b"} {
		require.NoError(t, files.Put(name, &tree.Node{Type: tree.Regular, Content: tree.Inline(strings.Repeat(name, 10_000))}))
	}
	var size int64
	if format == "fat32" {
		fs, err := fat.Prepare(files, fat.Options{GrowTo: 16 << 30, Align: 4 << 20, Start: dataStart, Now: time.Unix(1_700_000_000, 0)})
		require.NoError(t, err)
		size = fs.Size()
		dirty(t, f, size) // what a card held before
		require.NoError(t, fs.Write(t.Context(), f, 0))
	} else {
		size = 64 << 20
		require.NoError(t, ext4.Write(t.Context(), f, 0, files, ext4.Options{UUID: [16]byte{1}, Size: size, Now: time.Unix(1_700_000_000, 0)}))
	}
	c := newCard(cardSize, imageSize)
	c.entry(2, 0xc, dataStart, size)
	r := device().insert(c)
	r.files["proc/cmdline"].Data = []byte("root=PARTUUID=5d8f1a2b-02 pkinit.grow=p3 rootwait\n")
	return &dataCard{recorder: r, data: f, size: size, after: -1}
}

// dirty fills the beginning of a file, where the FATs lie, with noise.
func dirty(t *testing.T, f *os.File, size int64) {
	t.Helper()
	noise := make([]byte, 64<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	_, err := f.WriteAt(noise, 0)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(size))
}

// requireDataGrown requires that another implementation finds a sound file system on the whole rest of the card.
func requireDataGrown(t *testing.T, c *dataCard, format string) {
	t.Helper()
	require.Equal(t, int64(cardSize-dataStart), c.size)
	require.Equal(t, c.size, sizeOf(c.card, 2))
	require.Equal(t, int64(imageSize-rootStart), sizeOf(c.card, 1), "the root partition stays")
	if format == "fat32" {
		out, err := exec.Command(needs.Program(t, "fsck.vfat"), "-n", c.data.Name()).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "Free cluster summary uninitialized")
		require.Regexp(t, `: 3 files, 10/392701 clusters\n`, string(out))
		files, err := fat.Read(t.Context(), c.data, 0, c.size)
		require.NoError(t, err)
		content, err := files.ReadFile("a/long name")
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("a/long name", 10_000), string(content))
		return
	}
	out, err := exec.Command(needs.Program(t, "e2fsck"), "-fn", c.data.Name()).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Regexp(t, fmt.Sprintf(`/%d blocks`, c.size/blockSize), string(out))
}

// TestGrowData: another partition than that of the root file system grows where the kernel's command line names it.
func TestGrowData(t *testing.T) {
	for _, format := range []string{"ext4", "fat32"} {
		t.Run(format, func(t *testing.T) {
			c := newDataCard(t, format)
			require.NoError(t, c.grow())
			requireDataGrown(t, c, format)
			next := c.reboot()
			b := newBoot(next)
			require.Equal(t, initsteps.Skip("/dev/mmcblk0p3 ends where /dev/mmcblk0 does"), initsteps.GrowPartition{Target: "/"}.Do(b))
			require.ErrorContains(t, initsteps.GrowFileSystem{Target: "/"}.Do(b), "the file system fills /dev/mmcblk0p3")
		})
	}
}

// TestGrowDataAfterAPowerCut cuts the power before each write. The file system is sound then, and the next boot completes
// the growth.
func TestGrowDataAfterAPowerCut(t *testing.T) {
	for _, format := range []string{"ext4", "fat32"} {
		for after := 0; ; after++ {
			c := newDataCard(t, format)
			c.after = after
			err := c.grow()
			if err == nil {
				require.GreaterOrEqual(t, after, 3)
				break
			}
			require.ErrorIs(t, err, errPower)
			if format == "fat32" {
				out, err := exec.Command(needs.Program(t, "fsck.vfat"), "-n", c.data.Name()).CombinedOutput()
				if err != nil { // which of the two is right, it asks
					require.Contains(t, string(out), "There are differences between boot sector and its backup", "after %d writes", after)
				}
			}
			next := c.reboot()
			require.NoError(t, next.grow())
			requireDataGrown(t, next, format)
		}
	}
}

func TestGrowDataIsSkipped(t *testing.T) {
	for what, c := range map[string]struct {
		change           func(c *dataCard)
		partition, files string
	}{
		"no such partition": {func(c *dataCard) { c.files["proc/cmdline"].Data = []byte("pkinit.grow=p4") },
			"disk /dev/mmcblk0 has no partition 4", "disk /dev/mmcblk0 has no partition 4"},
		"root on a disk": {func(c *dataCard) { c.card.whole = true }, "/dev/mmcblk0 is not a partition", "/dev/mmcblk0 is not a partition"},
		"unknown format": {func(c *dataCard) { _ = c.data.Truncate(0); _ = c.data.Truncate(c.size) }, "",
			"/dev/mmcblk0p3 has no ext4 superblock: its magic number is 0x0"},
		"mounted": {func(c *dataCard) {
			c.mounts = append(c.mounts, &mountinfo.Info{Mountpoint: "/data", Source: "/dev/mmcblk0p3"})
		}, "", "/dev/mmcblk0p3 is mounted at /data"},
		"forbidden later": {func(c *dataCard) { c.files["proc/cmdline"].Data = []byte("pkinit.grow=p3 pkinit.grow=0") },
			"the kernel's command line has no pkinit.grow", "the kernel's command line has no pkinit.grow"},
		"nonsense": {func(c *dataCard) {
			c.files["proc/cmdline"].Data = []byte("pkinit.grow=px pkinit.growth=p3 pkinit.grow=3")
		},
			"the kernel's command line has no pkinit.grow", "the kernel's command line has no pkinit.grow"},
		"not last": {func(c *dataCard) { c.card.entry(3, 0x83, 6<<30, 1<<30) },
			"/dev/mmcblk0p3 is not the last partition of /dev/mmcblk0", "the file system fills /dev/mmcblk0p3, or its FATs"},
	} {
		t.Run(what, func(t *testing.T) {
			card := newDataCard(t, "fat32")
			c.change(card)
			b := newBoot(card)
			message := func(err error) string {
				if err == nil {
					return ""
				}
				return err.Error()
			}
			require.Equal(t, c.partition, message(initsteps.GrowPartition{Target: "/"}.Do(b)))
			require.Equal(t, c.files, message(initsteps.GrowFileSystem{Target: "/"}.Do(b)))
		})
	}
	// The number of the root partition is another way to name it.
	r := device().insert(newCard(cardSize, imageSize))
	r.files["proc/cmdline"].Data = []byte("pkinit.grow=p2")
	_, err := inInitramfs(r)
	require.NoError(t, err)
	requireGrown(t, r.card)
}
