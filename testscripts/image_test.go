package testscripts

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// Where the partitions of the default image lie, in bytes.
const (
	bootStart = 4 << 20
	bootSize  = 512 << 20
	rootStart = bootStart + bootSize
)

// image returns the path of the image that `make image` built.
func image(t *testing.T) string {
	name := os.Getenv("PKBUILD_TEST_IMAGE")
	if name != "" {
		return name
	}
	needs.Unavailable(t, "PKBUILD_TEST_IMAGE does not name an image: run make test")
	return ""
}

// tool runs a program, which must exit with 0, and returns its output.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(needs.Program(t, name), args...)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", cmd, out)
	return string(out)
}

// cut copies a part of a file to a new one. Holes stay holes.
func cut(t *testing.T, from string, offset, size int64) string {
	to := filepath.Join(t.TempDir(), "part")
	args := []string{"if=" + from, "of=" + to, "bs=4M", "conv=sparse", "status=none", fmt.Sprintf("skip=%d", offset>>22)}
	if size > 0 {
		args = append(args, fmt.Sprintf("count=%d", size>>22))
	}
	tool(t, "dd", args...)
	if size == 0 {
		info, err := os.Stat(from)
		require.NoError(t, err)
		size = info.Size() - offset
	}
	require.NoError(t, os.Truncate(to, size))
	return to
}

func TestOtherToolsAgreeWithTheImage(t *testing.T) {
	img := image(t)
	t.Run("sfdisk", func(t *testing.T) {
		require.Contains(t, tool(t, "sfdisk", "--verify", img), "No errors detected.")
		var table struct {
			PartitionTable struct {
				Label      string
				ID         string
				Partitions []struct {
					Start, Size int64
					Type        string
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(tool(t, "sfdisk", "--json", img)), &table))
		p := table.PartitionTable
		require.Equal(t, "dos", p.Label)
		require.Equal(t, "0xe85bcfbf", p.ID)
		require.Len(t, p.Partitions, 2)
		require.Equal(t, [3]any{int64(bootStart / 512), int64(bootSize / 512), "c"}, [3]any{p.Partitions[0].Start, p.Partitions[0].Size, p.Partitions[0].Type})
		require.Equal(t, [2]any{int64(rootStart / 512), "83"}, [2]any{p.Partitions[1].Start, p.Partitions[1].Type})
	})
	t.Run("fsck.vfat", func(t *testing.T) {
		out := tool(t, "fsck.vfat", "-n", cut(t, img, bootStart, bootSize))
		require.Regexp(t, `^fsck.fat [^\n]*\n[^\n]*: \d+ files, \d+/\d+ clusters\n$`, out, "more output than without a mistake")
	})
	root := cut(t, img, rootStart, 0)
	t.Run("e2fsck", func(t *testing.T) { requireCleanRoot(t, root) })
	t.Run("kernel", func(t *testing.T) {
		requireQuietMount(t, root)
		requireCleanRoot(t, root)
	})
}

func requireCleanRoot(t *testing.T, root string) {
	out := tool(t, "e2fsck", "-fn", root)
	require.Regexp(t, `rootfs: \d+/\d+ files \(0\.0% non-contiguous\), \d+/\d+ blocks\n$`, out)
	require.Len(t, strings.Split(strings.TrimSpace(out), "\n"), 7, "more output than without a mistake: %s", out)
}

// requireQuietMount mounts a file system, writes to it, and requires that the kernel logs no complaint.
func requireQuietMount(t *testing.T, root string) {
	mark := "test of " + root
	require.NoError(t, os.WriteFile("/dev/kmsg", []byte(mark+"\n"), 0), "the kernel's log")
	dir := filepath.Join(t.TempDir(), "mnt")
	require.NoError(t, os.Mkdir(dir, 0o755))
	// In a namespace of its own, so that no other process keeps the mount busy.
	out := tool(t, "unshare", "--mount", "sh", "-euc", `
mount -o loop "$1" "$2"
findmnt -n -o SOURCE "$2"
find "$2" -xdev >/dev/null
date >"$2/written"
sync -f "$2/written"
rm "$2/written"
umount "$2"`, "sh", root, dir)
	device := strings.TrimPrefix(strings.TrimSpace(out), "/dev/")
	require.Regexp(t, "^loop[0-9]+$", device)
	_, since, found := strings.Cut(tool(t, "dmesg"), mark+"\n")
	require.True(t, found, "the kernel's log does not reach back to the mount")
	mounted := 0
	for line := range strings.Lines(since) {
		if !strings.Contains(line, device) || strings.Contains(line, "detected capacity change from 0 to") {
			continue
		}
		require.Regexp(t, `EXT4-fs \(`+device+`\): (mounted|unmounting) filesystem`, line)
		mounted++
	}
	require.Equal(t, 2, mounted, since)
}
