package fat

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

func TestPrepareErrors(t *testing.T) {
	node := func(name string, n *tree.Node) *tree.Tree {
		out := tree.New()
		put(t, out, name, n)
		return out
	}
	sized := func(size int64) *tree.Node {
		return &tree.Node{Type: tree.Regular, Content: tree.Content{ReaderAt: zeroes{}, Size: size}}
	}
	crowd := tree.New()
	for i := range 33000 {
		put(t, crowd, "dir/file"+strings.Repeat("x", i%3)+string(rune('一'+i/100))+string(rune('一'+i%100)), regular(""))
	}
	for _, c := range []struct {
		files *tree.Tree
		want  string
	}{
		{node("dir/link", &tree.Node{Type: tree.Symlink, Target: "x"}), "/dir/link: FAT32 cannot hold a symlink"},
		{node("dir/null", &tree.Node{Type: tree.Char, Major: 1, Minor: 3}), "/dir/null: FAT32 cannot hold a character device"},
		{node("x/max", sized(1<<32)), "/x/max: file size of 4294967296 bytes exceeds the limit of FAT32, 4294967295 bytes"},
		{node("x", sized(-1)), "/x: file size of -1 bytes is negative"},
		{files(t, "x/Readme.txt", "x/README.txt"), "/x/README.txt and /x/Readme.txt: FAT32 does not distinguish upper and lower case in names"},
		{files(t, "Äpfel", "äpfel"), "/Äpfel and /äpfel: FAT32 does not distinguish upper and lower case in names"},
		{files(t, "a:b"), "/a:b: file name contains ':', which FAT32 does not allow"},
		{files(t, `a\b`), `/a\b: file name contains '\\', which FAT32 does not allow`},
		{files(t, "tab\there"), "/tab\there: file name contains '\\t', which FAT32 does not allow"},
		{files(t, "end."), "/end.: file name ends with a dot or a space, which FAT32 does not allow"},
		{files(t, "end "), "/end : file name ends with a dot or a space, which FAT32 does not allow"},
		{files(t, "..."), "/...: file name ends with a dot or a space, which FAT32 does not allow"},
		{files(t, "bad\xff"), "/bad\xff: file name is not UTF-8"},
		{files(t, "aux.h"), "/aux.h: aux.h names a device on Windows, which cannot open such a file"},
		{files(t, "dir/Com1"), "/dir/Com1: Com1 names a device on Windows, which cannot open such a file"},
		{crowd, "/dir: directory needs 66002 entries, the limit of FAT32 is 65536; long names take several each"},
		{node("large", sized(50<<20)), "files need 50.0 MiB, and a FAT32 file system of 40.0 MiB has room for 39.4 MiB"},
	} {
		_, err := Prepare(c.files, testOptions)
		require.EqualError(t, err, c.want)
	}
	for want, change := range map[string]func(*Options){
		"file system size of 20.0 MiB is too small for FAT32, which needs 32.5 MiB": func(o *Options) { o.Size = 20 << 20 },
		"file system size of 2097152.0 MiB exceeds the limit of FAT32, 2 TiB":       func(o *Options) { o.Size = 2 << 40 },
		`FAT32 label "much too long" is longer than 11 bytes`:                       func(o *Options) { o.Label = "much too long" },
		`FAT32 label "bööt" contains 'ö', which is not allowed`:                     func(o *Options) { o.Label = "bööt" },
		`FAT32 label "a.b" contains '.', which is not allowed`:                      func(o *Options) { o.Label = "a.b" },
	} {
		o := testOptions
		change(&o)
		_, err := Prepare(tree.New(), o)
		require.EqualError(t, err, want)
	}
	// Names that differ in more than case, and names that only resemble those of devices, are allowed.
	_, err := Prepare(files(t, "Straße", "STRASSE", "com0", "com10", "auxiliary", "x.aux"), testOptions)
	require.NoError(t, err)
}

func TestWriteErrors(t *testing.T) {
	in := files(t, "dir/short")
	in.Get("dir/short").Content = tree.Content{ReaderAt: strings.NewReader("abc"), Size: 10}
	fs, err := Prepare(in, testOptions)
	require.NoError(t, err)
	require.EqualError(t, fs.Write(t.Context(), &counting{}, 0), "/dir/short: read content: file ends at 3 of 10 bytes")

	in.Get("dir/short").Content = tree.Content{ReaderAt: broken{}, Size: 10}
	fs, err = Prepare(in, testOptions)
	require.NoError(t, err)
	require.EqualError(t, fs.Write(t.Context(), &counting{}, 0), "/dir/short: read content: injected")
	require.EqualError(t, fs.Write(t.Context(), broken{}, 0), "injected")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, fs.Write(ctx, &counting{}, 0), context.Canceled)
}

type broken struct{}

func (broken) ReadAt([]byte, int64) (int, error)  { return 0, errors.New("injected") }
func (broken) WriteAt([]byte, int64) (int, error) { return 0, errors.New("injected") }

var _ io.WriterAt = broken{}
