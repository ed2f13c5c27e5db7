package fat

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// bootFiles is a tree like that of a boot partition, with names that are hard to write.
func bootFiles(t *testing.T) *tree.Tree {
	t.Helper()
	out := files(t, "config.txt", "CMDLINE.TXT", "ssh", "overlays/a-long-name-of-an-overlay.dtbo",
		"Grüße 😀.txt", "Grüsse.txt", ".hidden", "a/b/c/d", "plus+sign", "two  spaces", "a.b.c.d", "x~1",
		"thirteen-char", "twenty-six-characters-long", strings.Repeat("x", 255), "Ünï", "東京.dtb", "kernel=8.img")
	put(t, out, "empty", regular(""))
	put(t, out, "empty directory", &tree.Node{Mode: readMode})
	put(t, out, "vmlinuz", regular(strings.Repeat("0123456789abcdef", 3<<20/16)+"end"))
	put(t, out, "cluster", regular(strings.Repeat("x", sectorSize)))
	for i := range 300 {
		name := fmt.Sprintf("many/overlay-%03d.dtbo", i)
		put(t, out, name, regular(name))
	}
	return out
}

func TestOtherToolsAgree(t *testing.T) {
	image := write(t, bootFiles(t), testOptions)
	fsck(t, image)
	requireSameForMtools(t, bootFiles(t), image)
	require.Equal(t, "ssh", tool(t, "mtype", "-i", image, "::ssh"))
	require.Contains(t, tool(t, "mlabel", "-s", "-i", image, "::"), "Volume label is bootfs")
	require.Contains(t, tool(t, "minfo", "-i", image, "::"), "serial number: CAFEBABE")
	got, err := readImage(t, image)
	require.NoError(t, err)
	require.Equal(t, listTree(t, bootFiles(t)), listTree(t, got))
}

func TestShortNamesOnDisk(t *testing.T) {
	listing := tool(t, "mdir", "-i", write(t, bootFiles(t), testOptions), "::")
	for _, line := range []string{
		`CMDLINE  TXT        11 2026-01-01  12:30 `, // no long name
		`CONFIG   TXT        10 2026-01-01  12:30  config.txt`,
		`EMPTYD~1     <DIR>     2026-01-01  12:30  empty directory`,
		`EMPTY                0 2026-01-01  12:30  empty`,
		`GR__E_~1 TXT        16 2026-01-01  12:30  Grüße`,
		`HIDDEN~1             7 2026-01-01  12:30  .hidden`,
		`X~1                  3 2026-01-01  12:30  x~1`,
		`ABC~1    D           7 2026-01-01  12:30  a.b.c.d`,
	} {
		require.Contains(t, listing, line)
	}
}

// TestSizes writes file systems of all cluster sizes.
func TestSizes(t *testing.T) {
	for size, cluster := range map[int64]int64{
		smallest(minClusters, sectorSize, 0).size: 512,
		64<<20 + 1234: 512,
		100 << 20:     1024,
		256 << 20:     2048,
		512 << 20:     4096,
		9 << 30:       8192,
		20 << 30:      16384,
		100 << 30:     32768,
		1 << 40:       32768,
	} {
		t.Run(mib(size), func(t *testing.T) {
			o := testOptions
			o.Size = size
			fs, err := Prepare(bootFiles(t), o)
			require.NoError(t, err)
			require.Equal(t, cluster, fs.cluster)
			require.Equal(t, size/blockSize*blockSize, fs.Size())
			image := write(t, bootFiles(t), o)
			fsck(t, image)
			got, err := readImage(t, image)
			require.NoError(t, err)
			require.Equal(t, listTree(t, bootFiles(t)), listTree(t, got))
			info, err := os.Stat(image)
			require.NoError(t, err)
			require.Equal(t, fs.Size(), info.Size())
		})
	}
}

func TestSmallest(t *testing.T) {
	for _, free := range []int64{0, 1 << 20, 300 << 20, 10 << 30} {
		for _, growTo := range []int64{0, 64 << 30} {
			o := testOptions
			o.Size, o.Free, o.GrowTo, o.Align = 0, free, growTo, 4<<20
			fs, err := Prepare(bootFiles(t), o)
			require.NoError(t, err)
			require.Zero(t, fs.Size()%o.Align)
			require.GreaterOrEqual(t, int64(fs.clusters-(fs.next-firstData))*fs.cluster, free)
			require.GreaterOrEqual(t, fs.clusters, uint32(minClusters))
			require.Less(t, fs.Size(), max(free, minClusters*fs.cluster)+fs.data()+20<<20)
			fsck(t, write(t, bootFiles(t), o))
			o.Size = fs.Size()
			again, err := Prepare(bootFiles(t), o)
			require.NoError(t, err)
			require.Equal(t, fs.geometry, again.geometry)
		}
	}
}

func TestSameTreeSameBytes(t *testing.T) {
	first, err := os.ReadFile(write(t, bootFiles(t), testOptions))
	require.NoError(t, err)
	second, err := os.ReadFile(write(t, bootFiles(t), testOptions))
	require.NoError(t, err)
	require.True(t, string(first) == string(second))
}

func TestTimes(t *testing.T) {
	at := func(value string) time.Time {
		out, err := time.Parse(time.RFC3339Nano, value)
		require.NoError(t, err)
		return out
	}
	for written, want := range map[string]string{
		"2024-02-29T23:59:59.999999999Z": "2024-02-29T23:59:58Z",
		"2024-03-01T01:00:00+02:00":      "2024-02-29T23:00:00Z",
		"1980-01-01T00:00:00Z":           "1980-01-01T00:00:00Z",
		"1970-01-01T00:00:00Z":           "1980-01-01T00:00:00Z",
		"2107-12-31T23:59:59Z":           "2107-12-31T23:59:58Z",
		"2200-01-01T00:00:00Z":           "2107-12-31T23:59:58Z",
		"0001-01-01T00:00:00Z":           "2026-01-01T12:30:14Z", // none: that of the file system
	} {
		in := files(t, "file")
		in.Get("file").ModTime = at(written)
		got, err := readImage(t, write(t, in, testOptions))
		require.NoError(t, err)
		require.Equal(t, at(want), got.Get("file").ModTime, written)
	}
	in := files(t, "file")
	in.Get("file").ModTime = at("2024-02-29T23:59:59Z")
	require.Contains(t, tool(t, "mdir", "-i", write(t, in, testOptions), "::"), "2024-02-29  23:59")
}

// TestManyFiles: the time that a directory takes does not grow with the square of its files.
func TestManyFiles(t *testing.T) {
	in := tree.New()
	for i := range 3000 {
		put(t, in, fmt.Sprintf("a-long-name-of-a-file-%d.txt", i), regular("x"))
	}
	start := time.Now()
	image := write(t, in, testOptions)
	elapsed := time.Since(start)
	t.Logf("3,000 files in %s", elapsed)
	require.Less(t, elapsed, time.Second)
	fsck(t, image)
	requireSameForMtools(t, in, image)
}

// TestLargestFile writes a file of 4 GiB less one byte.
func TestLargestFile(t *testing.T) {
	in := tree.New()
	put(t, in, "largest", &tree.Node{Type: tree.Regular, Content: tree.Content{ReaderAt: zeroes{}, Size: maxFile}})
	o := testOptions
	o.Size = 5 << 30
	fs, err := Prepare(in, o)
	require.NoError(t, err)
	var sink counting
	require.NoError(t, fs.Write(t.Context(), &sink, 0))
	require.Equal(t, fs.Mapped(), sink.bytes)
	require.Equal(t, uint32(maxFile), fs.entry(fs.files[1], [11]byte{}).Size)
}

type zeroes struct{}

func (zeroes) ReadAt(b []byte, _ int64) (int, error) { clear(b); return len(b), nil }

type counting struct{ bytes int64 }

func (c *counting) WriteAt(b []byte, _ int64) (int, error) {
	c.bytes += int64(len(b))
	return len(b), nil
}

func TestMapped(t *testing.T) {
	for _, growTo := range []int64{0, 512 << 30} {
		o := testOptions
		o.Size, o.GrowTo = 2<<30, growTo
		fs, err := Prepare(bootFiles(t), o)
		require.NoError(t, err)
		var sink counting
		require.NoError(t, fs.Write(t.Context(), &sink, 0))
		require.Equal(t, fs.Mapped(), sink.bytes)
	}
}
