package initsteps_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

const (
	imageSize = 2 << 30
	cardSize  = 8 << 30
)

// growth are the calls that grow a card, and no others.
func growth(r *recorder) []string {
	from := slices.Index(r.calls, "read /var/lib/overlays/next-boot.json")
	if from < 0 {
		return r.calls
	}
	if strings.HasPrefix(r.calls[from-1], "device ") {
		from--
	}
	return r.calls[:from-4] // without those of make-identity and read-request
}

// requireGrown: the table, the kernel and the file system know the whole card.
func requireGrown(t *testing.T, c *card) {
	t.Helper()
	want := newCard(cardSize, cardSize)
	require.Equal(t, want, c)
}

func TestGrow(t *testing.T) {
	r := device().insert(newCard(cardSize, imageSize))
	b, err := inInitramfs(r)
	require.NoError(t, err)
	require.False(t, b.Degraded)
	require.Equal(t, []string{
		"read /proc/cmdline",
		"mountinfo",
		"device 179:2",
		"read 512 bytes at 0 of /dev/mmcblk0",
		"write 512 bytes at 0 of /dev/mmcblk0",
		"resize /dev/mmcblk0p2 to 8048869376",
		"read /proc/cmdline",
		"mountinfo",
		"device 179:2",
		"read 1024 bytes at 1024 of /dev/mmcblk0p2",
		"resize / to 1965056 blocks",
		"read 1024 bytes at 1024 of /dev/mmcblk0p2",
	}, growth(r))
	requireGrown(t, r.card)
	require.Equal(t, &report.Growth{From: imageSize - rootStart, To: cardSize - rootStart}, b.Root.Grown)
	require.Equal(t, []report.State{report.Done, report.Done}, []report.State{b.Steps[0].State, b.Steps[1].State})
}

// A card that is full already is left alone, and the boot is not degraded.
func TestGrowFullCard(t *testing.T) {
	r := device().insert(newCard(cardSize, cardSize))
	b, err := inInitramfs(r)
	require.NoError(t, err)
	require.False(t, b.Degraded)
	require.Nil(t, b.Root.Grown)
	require.Equal(t, []string{
		"/dev/mmcblk0p2 ends where /dev/mmcblk0 does", "the file system fills /dev/mmcblk0p2",
	}, []string{b.Steps[0].Note, b.Steps[1].Note})
	requireNothingWritten(t, r)
}

func requireNothingWritten(t *testing.T, r *recorder) {
	t.Helper()
	for _, c := range growth(r) {
		require.NotRegexp(t, "^(write|resize) ", c)
	}
}

// The power fails before and after each call, the kernel reads the table anew, and the next boot finishes the work.
func TestGrowAfterAPowerCut(t *testing.T) {
	whole := device().insert(newCard(cardSize, imageSize))
	_, err := inInitramfs(whole)
	require.NoError(t, err)
	for n, call := range growth(whole) {
		t.Run(fmt.Sprintf("before %d %s", n+1, call), func(t *testing.T) {
			r := device().insert(newCard(cardSize, imageSize))
			r.fail = func(i int, _ string) bool { return i > n } // nothing happens any more
			_, err := inInitramfs(r)
			require.Error(t, err)
			r.card.reboot()
			next := device().insert(r.card)
			b, err := inInitramfs(next)
			require.NoError(t, err)
			require.False(t, b.Degraded)
			requireGrown(t, r.card)
			third := device().insert(r.card)
			_, err = inInitramfs(third)
			require.NoError(t, err)
			requireNothingWritten(t, third)
		})
	}
}

// Whatever fails in growing, the boot has all the rest, and the next one grows.
func TestGrowFailing(t *testing.T) {
	whole := device().insert(newCard(cardSize, imageSize))
	_, err := inInitramfs(whole)
	require.NoError(t, err)
	for _, panics := range []bool{false, true} {
		for n, call := range growth(whole) {
			t.Run(fmt.Sprintf("panic %v/%d %s", panics, n+1, call), func(t *testing.T) {
				r := device().insert(newCard(cardSize, imageSize))
				r.panics, r.fail = panics, func(i int, _ string) bool { return i == n+1 }
				b, err := inInitramfs(r)
				require.ErrorContains(t, err, "injected")
				require.True(t, b.Degraded)
				require.Contains(t, b.Problems[0], "injected")
				require.Equal(t, 2, b.Choice.Stage)
				require.Len(t, r.mounts, 1+len(targets))
				r.card.reboot()
				_, err = inInitramfs(device().insert(r.card))
				require.NoError(t, err)
				requireGrown(t, r.card)
			})
		}
	}
}

// The step can be repeated by hand once it has failed.
func TestGrowByHand(t *testing.T) {
	r := device().insert(newCard(cardSize, imageSize))
	r.fail = func(_ int, call string) bool { return strings.HasPrefix(call, "resize /") }
	require.ErrorContains(t, one(r, "grow-partition"), "grow-partition: resize /dev/mmcblk0p2 to 8048869376: injected")
	require.NoError(t, one(r, "grow-file-system"))
	r.fail = nil
	require.NoError(t, one(r, "grow-partition"))
	require.NoError(t, one(r, "grow-file-system"))
	requireGrown(t, r.card)
}

func TestGrowIsLeftAlone(t *testing.T) {
	for what, c := range map[string]struct {
		change          func(r *recorder)
		partition, root string // the notes; "" for work that is done
	}{
		"not asked": {func(r *recorder) { r.files["proc/cmdline"].Data = []byte("root=/dev/x -- pkinit.grow\n") },
			"the kernel's command line has no pkinit.grow",
			"the kernel's command line has no pkinit.grow"},
		"forbidden later": {func(r *recorder) { r.files["proc/cmdline"].Data = []byte("pkinit.grow=1 pkinit.grow=0") },
			"the kernel's command line has no pkinit.grow",
			"the kernel's command line has no pkinit.grow"},
		"other file system": {func(r *recorder) { r.mounts[0].FSType = "btrfs" },
			"the file system is btrfs, and only ext4 is grown", "the file system is btrfs, and only ext4 is grown"},
		"read-only": {func(r *recorder) { r.mounts[0].Options = "ro,noatime" },
			"the file system is not writable (ro,noatime)", "the file system is not writable (ro,noatime)"},
		"whole disk": {func(r *recorder) { r.card.whole = true }, "/dev/mmcblk0 is not a partition", ""},
		"no table": {func(r *recorder) { r.card.table[510] = 0 },
			"/dev/mmcblk0 has no MBR partition table", full},
		"GPT": {func(r *recorder) { r.card.entry(0, 0xee, 512, cardSize-512) },
			"/dev/mmcblk0 has no MBR partition table", full},
		"GPT beside other entries": {func(r *recorder) { r.card.entry(3, 0xee, 512, 1<<20) },
			"/dev/mmcblk0 has no MBR partition table", full},
		"boot sector of a file system": {func(r *recorder) { copy(r.card.table[446:], "Non-system disk") },
			"/dev/mmcblk0 has no MBR partition table", full},
		"a partition behind it": {func(r *recorder) { r.card.entry(2, 0x83, 4<<30, 1<<30) },
			"/dev/mmcblk0p2 is not the last partition of /dev/mmcblk0", full},
		"a partition over it": {func(r *recorder) { r.card.entry(0, 0xc, 4<<20, 1<<30) },
			"/dev/mmcblk0p2 is not the last partition of /dev/mmcblk0", full},
		"other beginning": {func(r *recorder) { r.card.entry(1, 0x83, 1<<30, 1<<30) },
			"/dev/mmcblk0p2 starts elsewhere than in the partition table of /dev/mmcblk0", full},
		"not in the table": {func(r *recorder) { r.card.entry(1, 0, 0, 0) },
			"/dev/mmcblk0p2 starts elsewhere than in the partition table of /dev/mmcblk0", full},
		"larger than the disk": {func(r *recorder) { r.card.disk = 1 << 30 },
			"/dev/mmcblk0p2 ends after /dev/mmcblk0: its partition table is that of a larger disk", full},
		"larger in the kernel": {func(r *recorder) { r.card.disk, r.card.partition = imageSize, imageSize },
			"/dev/mmcblk0p2 ends where /dev/mmcblk0 does", ""},
		"less than the alignment": {func(r *recorder) { r.card.disk = imageSize + 4<<20 - 512 },
			"/dev/mmcblk0p2 ends where /dev/mmcblk0 does", full},
		"short block group": {func(r *recorder) { r.card.disk, r.card.tooShort = imageSize+4<<20, 1024 }, "", full},
	} {
		t.Run(what, func(t *testing.T) {
			r := device().insert(newCard(cardSize, imageSize))
			c.change(r)
			b, err := inInitramfs(r)
			require.NoError(t, err)
			require.False(t, b.Degraded)
			require.Equal(t, [2]string{c.partition, c.root}, [2]string{b.Steps[0].Note, b.Steps[1].Note})
			for i, note := range []string{c.partition, c.root} {
				require.Equal(t, note != "", b.Steps[i].State == report.Skipped)
			}
			require.Equal(t, c.root == "", b.Root.Grown != nil)
			if c.partition != "" {
				require.NotContains(t, r.calls, "write 512 bytes at 0 of /dev/mmcblk0")
			}
		})
	}
}

const full = "the file system fills /dev/mmcblk0p2"

// A logical partition has a number above four.
func TestGrowLogicalPartition(t *testing.T) {
	r := device().insert(newCard(cardSize, imageSize))
	b := newBoot(logical{r})
	err := initsteps.GrowPartition{Target: "/"}.Do(b)
	require.Equal(t, initsteps.Skip("/dev/mmcblk0p2 is a logical partition"), err)
}

type logical struct{ *recorder }

func (l logical) BlockDevice(major, minor int) (initsteps.BlockDevice, error) {
	d, err := l.recorder.BlockDevice(major, minor)
	d.Partition = 5
	return d, err
}

// An MBR ends at 2 TiB, whatever the size of the disk, and an ext4 may have more blocks than fit 32 bits.
func TestGrowLimits(t *testing.T) {
	c := newCard(3<<40, imageSize)
	r := device().insert(c)
	_, err := inInitramfs(r)
	require.NoError(t, err)
	require.Equal(t, int64(2<<40-4<<20-rootStart), c.partition)
	require.Equal(t, uint64(1<<32-4<<20/512), uint64(binary.LittleEndian.Uint32(c.table[446+16+8:]))+
		uint64(binary.LittleEndian.Uint32(c.table[446+16+12:])))

	c = newCard(30<<40, imageSize)
	c.whole = true
	b, err := inInitramfs(device().insert(c))
	require.NoError(t, err)
	require.Equal(t, &report.Growth{From: imageSize - rootStart, To: 30 << 40}, b.Root.Grown)
}

func TestGrowBrokenSuperblock(t *testing.T) {
	for want, super := range map[string]string{
		"/dev/mmcblk0p2 has no ext4 superblock: its magic number is 0x0":                                     "",
		"/dev/mmcblk0p2 has an ext4 superblock with a block size of 2^255 KiB, more than the 64 KiB of ext4": strings.Repeat("\x00", 24) + "\xff" + strings.Repeat("\x00", 31) + "\x53\xef",
	} {
		b := newBoot(superblock{device().insert(newCard(cardSize, imageSize)), super})
		require.EqualError(t, initsteps.GrowFileSystem{Target: "/"}.Do(b), want)
	}
	b := newBoot(device().insert(newCard(cardSize, imageSize)))
	require.EqualError(t, initsteps.GrowFileSystem{Target: "/mnt"}.Do(b), "/mnt is not a mount point")
}

type superblock struct {
	*recorder
	text string
}

func (s superblock) ReadDevice(_ string, _ int64, size int) ([]byte, error) {
	data := make([]byte, size)
	copy(data, s.text)
	return data, nil
}

// Whatever the first sector holds: at most the size of the one partition changes, and it neither shrinks nor leaves
// the disk.
func FuzzGrowPartition(f *testing.F) {
	f.Add(newCard(cardSize, imageSize).table, int64(cardSize), int64(imageSize-rootStart))
	f.Add(newCard(cardSize, cardSize).table, int64(imageSize), int64(imageSize-rootStart))
	f.Add([]byte{}, int64(0), int64(0))
	f.Fuzz(func(t *testing.T, table []byte, disk, partition int64) {
		if disk < 0 || partition < 0 || rootStart+partition > disk {
			return
		}
		c := &card{disk: disk, partition: partition, table: append(table, make([]byte, 512)...)[:512]}
		before := slices.Clone(c.table)
		_ = initsteps.GrowPartition{Target: "/"}.Do(newBoot(device().insert(c)))
		const size = 446 + 16 + 5
		require.Equal(t, before[:size], c.table[:size])
		require.Equal(t, before[size+11:], c.table[size+11:])
		require.GreaterOrEqual(t, c.partition, partition)
		require.LessOrEqual(t, rootStart+c.partition, disk)
	})
}
