package initsteps_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/internal/uml"
	"github.com/PlanktoScope/pkbuild/layers/ext4"
	"github.com/PlanktoScope/pkbuild/layers/tree"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// To grow a mounted file system takes CAP_SYS_RESOURCE, which even root may not have. So these tests run the steps in
// User Mode Linux, on its disks ubda, ubdb, …, as the first process of a kernel of its own.

// inside names the part of a test that is to run there.
const inside = "PKINIT_TEST_INSIDE"

// runInside runs a part of TestGrowInside with disks, and returns what the console showed.
func runInside(t *testing.T, part string, disks ...string) string {
	t.Helper()
	return uml.Machine{
		Memory: "256M", Disks: disks, Options: []string{"pkinit.grow"},
		Before: "mount -t tmpfs tmpfs /tmp || exit\nexport TMPDIR=/tmp " + inside + "=" + part,
	}.Run(t, "TestGrowInside")
}

const (
	mib        = 1 << 20
	smallStart = 16 * mib
	smallSize  = 256 * mib
	largeSize  = 3 << 30
)

// writeDisk makes a disk of largeSize: a table for a disk of smallSize as sfdisk makes it, and an ext4 as ours is.
func writeDisk(t *testing.T, table string, start, size int64) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(smallSize))
	if table != "" {
		cmd := exec.Command(needs.Program(t, "sfdisk"), "--quiet", name)
		cmd.Stdin = strings.NewReader(table)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "sfdisk: %s", out)
	}
	files := tree.New()
	require.NoError(t, files.Put("a/file", &tree.Node{Type: tree.Regular, Content: tree.Inline("kept\n")}))
	o := ext4.Options{UUID: [16]byte{1}, Size: size, Now: time.Unix(1_700_000_000, 0), ReservedPercent: 5}
	require.NoError(t, ext4.Write(t.Context(), f, start, files, o))
	require.NoError(t, f.Truncate(largeSize))
	require.NoError(t, f.Close())
	return name
}

const (
	mbrTable = "label: dos\nstart=4MiB,size=12MiB,type=c\nstart=16MiB,type=83\n"
	gptTable = "label: gpt\nstart=4MiB,size=12MiB\nstart=16MiB,size=128MiB\n"
)

// TestGrowInTheKernel grows a card in one boot, and leaves a disk with a GPT and one without partitions as they are,
// but for the file system of the latter.
func TestGrowInTheKernel(t *testing.T) {
	card := writeDisk(t, mbrTable, smallStart, smallSize-smallStart)
	gpt := writeDisk(t, gptTable, smallStart, 128*mib)
	whole := writeDisk(t, "", 0, smallSize)
	require.Contains(t, runInside(t, "whole", card, gpt, whole), "--- PASS: TestGrowInside")
	requireClean(t, card, smallStart)
	requireClean(t, gpt, smallStart)
	requireClean(t, whole, 0)
	requirePartition(t, card, largeSize-smallStart)
	requirePartition(t, gpt, 128*mib)
	out, err := exec.Command(needs.Program(t, "sfdisk"), "--verify", card).CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(out), "No errors detected.")
}

// TestGrowAfterAPowerCutInTheKernel: the power fails when the table is written and the kernel told, and in the next
// boot when the file system has just grown; the third one finds nothing to do.
func TestGrowAfterAPowerCutInTheKernel(t *testing.T) {
	card := writeDisk(t, mbrTable, smallStart, smallSize-smallStart)
	for _, cut := range []string{"cut-after-partition", "cut-after-file-system"} {
		out := runInside(t, cut, card)
		require.Contains(t, out, "the power fails")
		require.NotContains(t, out, "--- ")
	}
	require.Contains(t, runInside(t, "full", card), "--- PASS: TestGrowInside")
	requireClean(t, card, smallStart)
	requirePartition(t, card, largeSize-smallStart)
}

// requireClean: e2fsck finds nothing to say about a file system.
func requireClean(t *testing.T, disk string, start int64) {
	t.Helper()
	out, err := exec.Command(needs.Program(t, "e2fsck"), "-fn", fmt.Sprintf("%s?offset=%d", disk, start)).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Regexp(t, `^(.+\n){6}\S+: \d+/\d+ files \(\d\.\d% non-contiguous\), \d+/\d+ blocks\n$`, string(out))
}

// requirePartition: sfdisk says that the second partition has a size.
func requirePartition(t *testing.T, disk string, size int64) {
	t.Helper()
	out, err := exec.Command(needs.Program(t, "sfdisk"), "--dump", disk).CombinedOutput()
	require.NoError(t, err)
	require.Regexp(t, fmt.Sprintf(`2 : start= *%d, size= *%d,`, smallStart/512, size/512), string(out))
}

// TestGrowInside is what runs inside.
func TestGrowInside(t *testing.T) {
	switch os.Getenv(inside) {
	case "":
		t.Skip("runs as a part of other tests, in a kernel of its own")
	case "whole":
		mounted(t, "/dev/ubda2", func(dir string) {
			requireGrowth(t, dir, nil, nil)
			requireGrowth(t, dir, initsteps.Skip("/dev/ubda2 ends where /dev/ubda does"), initsteps.Skip("the file system fills /dev/ubda2"))
			requireSize(t, dir, largeSize-smallStart)
		})
		mounted(t, "/dev/ubdb2", func(dir string) {
			requireGrowth(t, dir, initsteps.Skip("/dev/ubdb has no MBR partition table"), initsteps.Skip("the file system fills /dev/ubdb2"))
		})
		mounted(t, "/dev/ubdc", func(dir string) {
			requireGrowth(t, dir, initsteps.Skip("/dev/ubdc is not a partition"), nil)
			requireSize(t, dir, largeSize)
		})
	case "cut-after-partition":
		mounted(t, "/dev/ubda2", func(dir string) {
			require.NoError(t, initsteps.GrowPartition{Target: dir}.Do(newBoot(initsteps.Linux{})))
			cutPower(t)
		})
	case "cut-after-file-system":
		mounted(t, "/dev/ubda2", func(dir string) {
			requireGrowth(t, dir, initsteps.Skip("/dev/ubda2 ends where /dev/ubda does"), nil)
			cutPower(t)
		})
	case "full":
		mounted(t, "/dev/ubda2", func(dir string) {
			requireGrowth(t, dir, initsteps.Skip("/dev/ubda2 ends where /dev/ubda does"), initsteps.Skip("the file system fills /dev/ubda2"))
			requireSize(t, dir, largeSize-smallStart)
		})
	}
}

// mounted mounts a device as long as f runs, and looks at what lies on it.
func mounted(t *testing.T, device string, f func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, unix.Mount(device, dir, "ext4", 0, ""), device)
	f(dir)
	data, err := os.ReadFile(filepath.Join(dir, "a/file"))
	require.NoError(t, err)
	require.Equal(t, "kept\n", string(data))
	require.NoError(t, unix.Unmount(dir, 0))
}

// requireGrowth runs both steps, with an outcome for each.
func requireGrowth(t *testing.T, dir string, partition, root error) {
	t.Helper()
	b := newBoot(initsteps.Linux{})
	require.Equal(t, partition, initsteps.GrowPartition{Target: dir}.Do(b))
	require.Equal(t, root, initsteps.GrowFileSystem{Target: dir}.Do(b))
	require.Equal(t, root == nil, b.Report.Root.Grown != (*report.Growth)(nil))
}

// requireSize: the free space of a file system is that of its device, but for what the format takes.
func requireSize(t *testing.T, dir string, size int64) {
	t.Helper()
	var st unix.Statfs_t
	require.NoError(t, unix.Statfs(dir, &st))
	require.Greater(t, int64(st.Blocks)*st.Bsize, size/100*97)
}

// cutPower ends this kernel at once: nothing is unmounted or synced.
func cutPower(t *testing.T) {
	fmt.Println("the power fails")
	require.NoError(t, os.WriteFile("/proc/sysrq-trigger", []byte("o"), 0))
	select {}
}
