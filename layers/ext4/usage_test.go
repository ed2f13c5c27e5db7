package ext4

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

func TestReadUsageAgreesWithDumpe2fs(t *testing.T) {
	files := tree.New()
	put(t, files, "a", &tree.Node{Type: tree.Regular, Content: tree.Inline(strings.Repeat("x", 1<<20))})
	o := testOptions
	o.Size, o.ReservedPercent = 20<<30, 5
	image := writeImage(t, files, o)
	f, err := os.Open(image)
	require.NoError(t, err)
	defer f.Close()
	u, err := ReadUsage(f, 0)
	require.NoError(t, err)
	dump := tool(t, "dumpe2fs", "-h", image)
	field := func(name string) int64 {
		match := regexp.MustCompile(`(?m)^` + name + `: +(\d+)$`).FindStringSubmatch(dump)
		require.NotNil(t, match, name)
		n, err := strconv.ParseInt(match[1], 10, 64)
		require.NoError(t, err)
		return n
	}
	require.Equal(t, Usage{
		UUID: o.UUID, Size: field("Block count") * blockSize, Free: field("Free blocks") * blockSize,
		Reserved: field("Reserved block count") * blockSize,
		Inodes:   uint32(field("Inode count")), FreeInodes: uint32(field("Free inodes")),
		Features: dumpFeatures(t, image),
	}, u)
	require.Equal(t, o.Size, u.Size)

	_, err = ReadUsage(strings.NewReader(strings.Repeat("\x00", 4096)), 512)
	require.EqualError(t, err, "no ext4 superblock at byte 1536: magic number is 0x0, want 0xef53")
	_, err = ReadUsage(strings.NewReader("short"), 0)
	require.EqualError(t, err, "read ext4 superblock: EOF")
}
