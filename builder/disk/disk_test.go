package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

const bootSize = 256 << 20

var layout = Layout{
	Signature: 0x12345678,
	Time:      time.Date(2026, 1, 1, 12, 30, 15, 0, time.UTC),
	Partitions: []Partition{
		{Mount: Firmware, Format: FAT32, Label: "bootfs", Size: bootSize, Serial: 0xcafebabe},
		{Mount: "/", Format: Ext4, Label: "rootfs", UUID: uuid.MustParse("6d9e5a0c-0000-8000-8000-000000000001"), Free: 8 << 20},
	},
}

// newTree has a boot directory with a long name, a directory of several clusters and one below another.
func newTree(t *testing.T) *tree.Tree {
	out := tree.New()
	files := []string{"boot/firmware/config.txt", "boot/firmware/overlays/a-long-name-of-an-overlay.dtbo", "boot/firmware/a/b/c", "usr/bin/x"}
	for i := range 300 {
		files = append(files, fmt.Sprintf("boot/firmware/many/%d.dtbo", i))
	}
	for _, name := range files {
		n := &tree.Node{Type: tree.Regular, Mode: 0o644, ModTime: layout.Time, Content: tree.Inline(name)}
		require.NoError(t, out.Put(name, n))
	}
	big := tree.Inline(bytes.Repeat([]byte("0123456789abcdef"), 1<<20/16))
	require.NoError(t, out.Put("boot/firmware/vmlinuz", &tree.Node{Type: tree.Regular, Mode: 0o644, Content: big}))
	return out
}

func write(ctx context.Context, t *testing.T, tree *tree.Tree) (name string, err error) {
	name = filepath.Join(t.TempDir(), "disk.img")
	_, err = create(ctx, t, name, tree, layout, Options{})
	return name, err
}

func create(ctx context.Context, t *testing.T, name string, tree *tree.Tree, l Layout, o Options) (Result, error) {
	d, err := Prepare(tree, l)
	require.NoError(t, err)
	return d.Create(ctx, name, o)
}

// tool runs a program that must end with exit code 0.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	out, err := exec.Command(needs.Program(t, name), args...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
	return string(out)
}

// part copies a part of the disk into a file of its own; size 0 means the rest.
func part(t *testing.T, disk string, start, size int64) string {
	name := filepath.Join(t.TempDir(), "part")
	args := []string{"if=" + disk, "of=" + name, "bs=1M", "conv=sparse", "iflag=skip_bytes,count_bytes", fmt.Sprintf("skip=%d", start)}
	if size > 0 {
		args = append(args, fmt.Sprintf("count=%d", size))
	}
	tool(t, "dd", append(args, "status=none")...)
	return name
}

func TestOtherToolsAgree(t *testing.T) {
	name, err := write(t.Context(), t, newTree(t))
	require.NoError(t, err)
	t.Run("sfdisk", func(t *testing.T) {
		require.Contains(t, tool(t, "sfdisk", "--verify", name), "No errors detected.")
		dump := tool(t, "sfdisk", "--dump", name)
		require.Contains(t, dump, "label-id: 0x12345678\n")
		require.Regexp(t, `1 : start= +8192, size= +524288, type=c\n`, dump)
		require.Regexp(t, `2 : start= +532480, size= +\d+, type=83\n`, dump)
	})
	t.Run("fsck.vfat", func(t *testing.T) {
		boot := part(t, name, align, bootSize)
		require.Regexp(t, `^fsck.fat [^\n]*\n[^\n]*: \d+ files, \d+/\d+ clusters\n$`, tool(t, "fsck.vfat", "-n", boot))
		info := tool(t, "fsck.vfat", "-nv", boot)
		require.Contains(t, info, "8192 hidden sectors")
		data, err := os.ReadFile(boot)
		require.NoError(t, err)
		require.Equal(t, "\xbe\xba\xfe\xca", string(data[67:71]))
	})
	t.Run("e2fsck", func(t *testing.T) {
		tool(t, "e2fsck", "-fn", part(t, name, align+bootSize, 0))
	})
}

func TestSameTreeSameBytes(t *testing.T) {
	first, err := write(t.Context(), t, newTree(t))
	require.NoError(t, err)
	time.Sleep(2 * time.Second) // the resolution of FAT's times
	second, err := write(t.Context(), t, newTree(t))
	require.NoError(t, err)
	a, err := os.ReadFile(first)
	require.NoError(t, err)
	b, err := os.ReadFile(second)
	require.NoError(t, err)
	require.True(t, bytes.Equal(a, b), "two writes of one tree differ")
}

func TestWriteErrors(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	_, err := write(ctx, t, newTree(t))
	require.ErrorIs(t, err, context.Canceled)
}
