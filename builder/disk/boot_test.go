package disk

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// zeroes is the content of a file of any size.
type zeroes struct{}

func (zeroes) ReadAt(b []byte, _ int64) (int, error) { clear(b); return len(b), nil }

// TestBootFilesThatFATCannotHold: files that FAT32 cannot hold are errors before anything is written.
func TestBootFilesThatFATCannotHold(t *testing.T) {
	large := newTree(t)
	max := &tree.Node{Type: tree.Regular, Content: tree.Content{ReaderAt: zeroes{}, Size: 4 << 30}}
	require.NoError(t, large.Put("boot/firmware/x/max", max))
	_, err := Prepare(large, layout)
	require.EqualError(t, err, "boot partition: /x/max: file size of 4294967296 bytes exceeds the limit of FAT32, 4294967295 bytes")

	same := newTree(t)
	for name, content := range map[string]string{"Readme.txt": "1", "README.txt": "2"} {
		require.NoError(t, same.Put("boot/firmware/x/"+name, &tree.Node{Type: tree.Regular, Content: tree.Inline(content)}))
	}
	_, err = Prepare(same, layout)
	require.EqualError(t, err, "boot partition: /x/README.txt and /x/Readme.txt: FAT32 does not distinguish upper and lower case in names")

	link := newTree(t)
	require.NoError(t, link.Put("boot/firmware/link", &tree.Node{Type: tree.Symlink, Target: "x"}))
	_, err = Prepare(link, layout)
	require.EqualError(t, err, "boot partition: /link: FAT32 cannot hold a symlink")
}

// TestHardBootFiles: fsck.vfat and mtools accept empty files, dot files and names outside the BMP.
func TestHardBootFiles(t *testing.T) {
	files := newTree(t)
	for _, name := range []string{"ssh", ".hidden", "Grüße 😀.txt", "a+b.dtbo"} {
		require.NoError(t, files.Put("boot/firmware/"+name, &tree.Node{Type: tree.Regular}))
	}
	name, err := write(t.Context(), t, files)
	require.NoError(t, err)
	boot := part(t, name, align, 256<<20)
	require.Regexp(t, `^fsck.fat [^\n]*\n[^\n]*: \d+ files, \d+/\d+ clusters\n$`, tool(t, "fsck.vfat", "-n", boot))
	require.Contains(t, tool(t, "mdir", "-b", "-i", boot, "::"), "::/ssh\n")
}

// TestManyBootFiles: the time for a directory does not grow with the square of its files.
func TestManyBootFiles(t *testing.T) {
	files := newTree(t)
	for i := range 3000 {
		name := "boot/firmware/overlays/long-name-of-an-overlay-" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + time.Duration(i).String()
		require.NoError(t, files.Put(name, &tree.Node{Type: tree.Regular, Content: tree.Inline("x")}))
	}
	d, err := Prepare(files, layout)
	require.NoError(t, err)
	start := time.Now()
	_, err = d.Create(t.Context(), t.TempDir()+"/disk.img", Options{})
	require.NoError(t, err)
	require.Less(t, time.Since(start), 10*time.Second)
}
