package tree_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers/ext4"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// manyImplied has paths of more than a thousand directories, each in a place of its own.
func manyImplied() []byte {
	a := tape()
	for i := range 300 {
		a.pax('x', "path", fmt.Sprintf("%03d/%s", i, strings.Repeat("d/", 1023))+"f").file("n", "")
	}
	return a.end()
}

// How GNU tar takes an archive, next to ReadTar.
const (
	same     = "same" // it extracts the same, or refuses as well
	differs  = "differs"
	notAsked = "not asked" // it would make all that
)

// lies are archives that no honest program writes, with what becomes of them: a tree, or an error. docs/tar.md has the
// same table in words.
var lies = map[string]struct {
	archive []byte
	gnu     string
	err     string
	want    []string
}{
	"dot dot": {tape().file("a/../../b", "x").end(), same,
		`tar entry "a/../../b": path "a/../../b" contains ".."`, nil},
	"absolute": {tape().file("/etc/passwd", "x").end(), same, "", []string{"d etc", "f etc/passwd x"}},
	"symlinks out of the tree": {tape().symlink("a", "/etc").symlink("b", "../../x").end(), same,
		"", []string{"l a /etc", "l b ../../x"}},
	"below an absolute symlink": {tape().symlink("a", "/etc").file("a/passwd", "x").end(), same,
		`tar entry "a/passwd": put a/passwd: /a is a symlink to /etc, not to a directory of the tree`, nil},
	"below a symlink to a directory": {tape().dir("usr/").dir("usr/lib/").symlink("lib", "usr/lib").file("lib/x", "y").end(), same,
		"", []string{"l lib usr/lib", "d usr", "d usr/lib", "f usr/lib/x y"}},
	"below an absolute symlink to a directory": {tape().dir("usr/").symlink("u", "/usr").file("u/x", "y").end(), differs,
		"", []string{"l u /usr", "d usr", "f usr/x y"}},
	"below a symlink loop": {tape().symlink("a", "b").symlink("b", "a").file("a/x", "y").end(), same,
		`tar entry "a/x": put a/x: /a is a symlink to b, not to a directory of the tree`, nil},
	"below a file":                 {tape().file("a", "x").file("a/b", "y").end(), same, `tar entry "a/b": put a/b: /a is a regular file, not a directory`, nil},
	"no directories":               {tape().file("a/b/c", "x").end(), same, "", []string{"d a", "d a/b", "f a/b/c x"}},
	"file twice":                   {tape().file("a", "old").file("./a", "new").end(), same, "", []string{"f a new"}},
	"file twice, linked":           {tape().file("a", "old").hardlink("b", "a").file("a", "new").end(), same, "", []string{"f a new", "f b old"}},
	"directory twice":              {tape().dir("a/").file("a/b", "x").dir("a/").end(), same, "", []string{"d a", "f a/b x"}},
	"file over an empty directory": {tape().dir("a/").file("a", "x").end(), same, "", []string{"f a x"}},
	"file over a directory": {tape().dir("a/").file("a/b", "x").file("a", "y").end(), same,
		`tar entry "a": a regular file cannot take the place of a directory that is not empty`, nil},
	"symlink over a directory": {tape().dir("a/").file("a/b", "x").symlink("a", "y").end(), same,
		`tar entry "a": a symlink cannot take the place of a directory that is not empty`, nil},
	"directory over a file": {tape().file("a", "x").dir("a/").file("a/b", "y").end(), same, "", []string{"d a", "f a/b y"}},
	"directory over a symlink": {tape().dir("b/").symlink("a", "b").dir("a/").file("a/x", "y").end(), same,
		"", []string{"d a", "f a/x y", "d b"}},
	"symlink over a file": {tape().file("a", "x").symlink("a", "b").end(), same, "", []string{"l a b"}},
	"file over a symlink": {tape().file("b", "old").symlink("a", "b").file("a", "x").end(), same, "", []string{"f a x", "f b old"}},
	"file at the root":    {tape().file("./", "").file(".", "x").end(), same, `tar entry ".": put regular file at the root: the root is a directory`, nil},
	"link to a later entry": {tape().hardlink("a", "b").file("b", "x").end(), same,
		`tar entry "a": hard link to "b", which is not an earlier file of the archive`, nil},
	"link to itself": {tape().hardlink("a", "a").end(), same,
		`tar entry "a": hard link to "a", which is not an earlier file of the archive`, nil},
	"link over itself": {tape().file("a", "x").hardlink("a", "a").end(), same, "", []string{"f a x"}},
	"link to a directory": {tape().dir("d/").hardlink("a", "d").end(), same,
		`tar entry "a": hard link to "d", which is not an earlier file of the archive`, nil},
	"link to the root": {tape().dir("./").hardlink("a", "./").end(), same,
		`tar entry "a": hard link to "./", which is not an earlier file of the archive`, nil},
	"link to a symlink":        {tape().symlink("s", "nowhere").hardlink("a", "s").end(), same, "", []string{"l a nowhere", "h s a"}},
	"link to an absolute path": {tape().file("b", "x").hardlink("a", "/b").end(), same, "", []string{"f a x", "h b a"}},
	"link by a symlink":        {tape().file("d/b", "x").symlink("s", "d").hardlink("a", "s/b").end(), same, "", []string{"f a x", "d d", "h d/b a", "l s d"}},
	"link out of the tree": {tape().file("b", "x").hardlink("a", "../b").end(), differs,
		`tar entry "a": hard link: path "../b" contains ".."`, nil},
	"link with a size": {tape().file("b", "x").header('1', "a", "b", octal(5)).end(), same, "", []string{"f a x", "h b a"}},
	"long name": {tape().pax('x', "path", long(256)).file("n", "x").end(), same,
		`tar entry "` + long(200) + `": path "` + long(256) + `" has a name of more than 255 bytes`, nil},
	"longest name": {tape().pax('x', "path", long(255)).file("n", "x").end(), same, "", []string{"f " + long(255) + " x"}},
	"long path": {tape().pax('x', "path", strings.Repeat("d/", 2049)+"f").file("n", "x").end(), same,
		`tar entry "` + strings.Repeat("d/", 100) + `": put ` + strings.Repeat("d/", 2049) + `f: path of the directory has more than 4095 bytes`, nil},
	"long path by symlinks": {tape().pax('x', "path", strings.Repeat("d/", 1500)).dir("n").
		pax('x', "linkpath", strings.Repeat("d/", 1500)).symlink("s", "").
		pax('x', "path", "s/"+strings.Repeat("e/", 600)).dir("n").end(), differs,
		`tar entry "s/` + strings.Repeat("e/", 99) + `": put s/` + strings.Repeat("e/", 599) + `e: path of the directory has more than 4095 bytes`, nil},
	"long target": {tape().pax('x', "linkpath", long(4096)).symlink("s", "").end(), same,
		`tar entry "s": symlink target "` + long(40) + `" is not 1 to 4095 bytes long`, nil},
	"no target": {tape().symlink("s", "").end(), same, `tar entry "s": symlink target "" is not 1 to 4095 bytes long`, nil},
	"many directories without entries": {manyImplied(), notAsked,
		`tar entry "257/` + strings.Repeat("d/", 98) + `": archive lacks entries of more than 262144 directories`, nil},
	"NUL in a path": {tape().pax('x', "path", "a\x00b").file("n", "x").end(), differs,
		`read tar: entry "n" at byte 0: header is damaged, or the file is not a tar archive`, nil},
	"empty name": {tape().file("", "x").end(), same, `tar entry "": put regular file at the root: the root is a directory`, nil},
	"giant record": {tape().pax('x', "comment", strings.Repeat("x", 1<<20)).file("n", "x").end(), differs,
		`read tar: entry "n" at byte 0: header has more than 1 MiB`, nil},
	"giant header that is not there": {tape().header('x', "p", "", octal(1<<32)).end(), same,
		`read tar: entry at byte 0: archive ends within the entry`, nil},
	"record that lies about its length": {tape().header('x', "p", "", octal(9)).content("99 path=b").file("n", "x").end(), same,
		`read tar: entry "n" at byte 0: header is damaged, or the file is not a tar archive`, nil},
	"negative size": {tape().file("a", "x").header('0', "b", "", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").end(), same,
		`read tar: entry "b" at byte 1024: header is damaged`, nil},
	"size in no number": {tape().header('0', "a", "", "many        ").end(), same,
		`read tar: entry "a" at byte 0: header is damaged, or the file is not a tar archive`, nil},
	"huge size": {tape().header('0', "a", "", "77777777777\x00").content("x").end(), same,
		`tar entry "a": archive ends after 1536 of 8589934591 bytes of content`, nil},
	"largest size": {tape().header('0', "a", "", "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff").content("x").end(), same,
		`tar entry "a": archive ends after 1536 of 9223372036854775807 bytes of content`, nil},
	"size larger than the content": {tape().header('0', "a", "", octal(600)).content("x").file("b", "y").end(), same,
		`read tar: entry "y" at byte 1536: header is damaged`, nil},
	"size smaller than the content": {tape().header('0', "a", "", octal(1)).content(strings.Repeat("x", 600)).file("b", "y").end(), same,
		`read tar: entry "` + strings.Repeat("x", 88) + `" at byte 1024: header is damaged`, nil},
	"directory with a size":  {tape().header('5', "a", "", octal(5)).file("b", "x").end(), same, "", []string{"d a", "f b x"}},
	"cut in a header":        {tape().file("a", "x").file("b", "y").Bytes()[:1300], differs, `read tar: entry at byte 1024: archive ends within the entry`, nil},
	"cut in a content":       {tape().file("a", "x").file("b", long(600)).Bytes()[:1700], same, `tar entry "b": archive ends after 164 of 600 bytes of content`, nil},
	"no end":                 {tape().file("a", "x").Bytes(), same, "", []string{"f a x"}},
	"rubbish behind the end": {append(tape().file("a", "x").end(), "rubbish"...), same, "", []string{"f a x"}},
	"wrong checksum":         {bytes.Replace(tape().file("a", "x").file("b", "y").end(), []byte("b\x00\x00"), []byte("c\x00\x00"), 1), same, `read tar: entry "c" at byte 1024: header is damaged`, nil},
	"owner of 64 bits": {tape().pax('x', "uid", "4294967296").file("a", "x").end(), same,
		`tar entry "a": owner 4294967296:0 does not fit 32 bits`, nil},
	"negative owner": {tape().pax('x', "gid", "-1").file("a", "x").end(), same, `tar entry "a": owner 0:-1 does not fit 32 bits`, nil},
	"time in no number": {tape().pax('x', "mtime", "noon").file("a", "x").end(), same,
		`read tar: entry "a" at byte 0: header is damaged, or the file is not a tar archive`, nil},
	"unknown type":                  {tape().header('Z', "a", "", octal(0)).end(), differs, `tar entry "a": type 'Z' is not supported`, nil},
	"contiguous file":               {tape().header('7', "a", "", octal(1)).content("x").end(), same, "", []string{"f a x"}},
	"volume label":                  {tape().header('V', "label", "", octal(0)).file("a", "x").end(), same, "", []string{"f a x"}},
	"file with a slash":             {tape().file("a/", "").file("a/b", "x").end(), same, "", []string{"d a", "f a/b x"}},
	"file with a slash and content": {tape().file("a/", "x").end(), same, `tar entry "a/": a directory has no content`, nil},
	"global comment":                {tape().pax('g', "comment", "c0ffee").file("a", "x").end(), same, "", []string{"f a x"}},
	"global path": {tape().pax('g', "path", "b").file("a", "x").end(), differs,
		`tar entry "b": global header of the archive with "path" is not supported: write it for each entry`, nil},
	"ACL in words": {tape().pax('x', "SCHILY.acl.access", "user::rw-").file("a", "x").end(), differs,
		`tar entry "a": an access control list in words is not supported: have tar write --xattrs --xattrs-include='*'`, nil},
	"old sparse": {tape().oldSparse("a", 2000, [][2]int{{512, 512}, {1536, 4}, {2000, 0}}, long(512)+"abcd").file("b", "x").end(), same,
		"", []string{"f a " + strings.Repeat("\x00", 512) + long(512) + strings.Repeat("\x00", 512) + "abcd" + strings.Repeat("\x00", 460), "f b x"}},
	"old sparse out of order": {tape().oldSparse("a", 10, [][2]int{{7, 1}, {2, 3}}, "abcd").end(), differs,
		`read tar: entry "a" at byte 0: header is damaged, or the file is not a tar archive`, nil},
	"old sparse beyond its size": {tape().oldSparse("a", 10, [][2]int{{8, 4}}, "abcd").end(), same,
		`read tar: entry "a" at byte 0: header is damaged, or the file is not a tar archive`, nil},
	"old sparse with more than it stores": {tape().oldSparse("a", 10000, [][2]int{{0, 9000}}, "abcd").end(), same,
		`tar entry "a": sparse map: maps 9000 bytes of data, archive has 4`, nil},
	"old sparse with less than it stores": {tape().oldSparse("a", 10, [][2]int{{0, 2}}, "abcd").end(), differs,
		`tar entry "a": sparse map: maps 2 bytes of data, archive has 4`, nil},
	"sparse 0.1": {tape().pax('x', "GNU.sparse.major", "0", "GNU.sparse.minor", "1", "GNU.sparse.name", "a", "GNU.sparse.size", "6",
		"GNU.sparse.numblocks", "2", "GNU.sparse.map", "1,2,6,0").file("n", "ab").file("b", "x").end(), same, "",
		[]string{"f a \x00ab\x00\x00\x00", "f b x"}},
	"sparse 0.0": {tape().pax('x', "GNU.sparse.size", "6", "GNU.sparse.numblocks", "2", "GNU.sparse.offset", "1", "GNU.sparse.numbytes", "2",
		"GNU.sparse.offset", "6", "GNU.sparse.numbytes", "0").file("a", "ab").end(), same, "", []string{"f a \x00ab\x00\x00\x00"}},
	"sparse 1.0": {tape().pax('x', "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", "a", "GNU.sparse.realsize", "6").
		header('0', "n", "", octal(514)).content("2\n1\n2\n6\n0\n").content("ab").file("b", "x").end(), same, "",
		[]string{"f a \x00ab\x00\x00\x00", "f b x"}},
	"sparse 1.0 before others": {tape().pax('x', "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", "a", "GNU.sparse.realsize", "6").
		header('0', "n", "", octal(514)).content("2\n1\n2\n6\n0\n").content("ab").
		oldSparse("b", 514, [][2]int{{512, 2}}, "cd").oldSparse("c", 514, [][2]int{{512, 2}}, "ef").end(), same, "",
		[]string{"f a \x00ab\x00\x00\x00", "f b " + strings.Repeat("\x00", 512) + "cd", "f c " + strings.Repeat("\x00", 512) + "ef"}},
	"sparse 1.0 without its map": {tape().pax('x', "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "6").
		file("a", "no map").end(), same, `read tar: entry "a" at byte 0: archive ends within the entry`, nil},
	"sparse 1.0 with a giant map": {tape().pax('x', "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "6").
		file("a", "99999999999999\n").end(), same, `read tar: entry "a" at byte 0: archive ends within the entry`, nil},
	"sparse 2.0": {tape().pax('x', "GNU.sparse.major", "2", "GNU.sparse.minor", "0").file("a", "x").end(), same,
		`tar entry "a": sparse map: version 2.0 is not supported`, nil},
	"sparse of 16 EiB": {tape().pax('x', "GNU.sparse.major", "0", "GNU.sparse.minor", "1", "GNU.sparse.size", "9223372036854775807",
		"GNU.sparse.numblocks", "1", "GNU.sparse.map", "9223372036854775806,1").file("a", "x").end(), same,
		`compute the size of an ext4 file system: /a: file size of 9223372036854775807 bytes is not between 0 and 17592186040320`, nil},
	"no archive":     {[]byte(strings.Repeat("no archive\n", 100)), same, `read tar: entry at byte 0: header is damaged, or the file is not a tar archive`, nil},
	"nothing at all": {nil, same, "read tar: file is empty: even an archive without entries has two blocks", nil},
	"no entries":     {tape().end(), same, "", nil},
}

// TestLies: a lie is told from an error with its entry's name, or taken as usual, and then the ext4 of it is clean.
func TestLies(t *testing.T) {
	for name, c := range lies {
		t.Run(name, func(t *testing.T) {
			tree, image, err := toExt4(t, c.archive)
			if c.err != "" {
				require.Error(t, err)
				require.Equal(t, strings.ReplaceAll(c.err, "\n", `\n`), err.Error())
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, listTree(t, tree))
			requireClean(t, image)
		})
	}
}

// toExt4 makes an ext4 of an archive that lies in a file.
func toExt4(t testing.TB, archive []byte) (files *tree.Tree, image string, err error) {
	name := filepath.Join(t.TempDir(), "archive")
	require.NoError(t, os.WriteFile(name, archive, 0o644))
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	if files, err = tree.ReadTar(f); err != nil {
		return nil, "", err
	}
	o := ext4.Options{UUID: [16]byte{1}, Now: time.Unix(1_700_000_000, 0)}
	if o.Size, err = ext4.MinSize(files, o, 0); err != nil {
		return nil, "", err
	}
	image = filepath.Join(t.TempDir(), "image")
	out, err := os.Create(image)
	require.NoError(t, err)
	defer out.Close()
	if err := ext4.Write(t.Context(), out, 0, files, o); err != nil {
		return nil, "", err
	}
	data := map[string][]byte{} // the archive is closed when the tree is looked at
	for name, n := range files.Walk() {
		if n.Type == tree.Regular && n.Content.Size < 1<<20 {
			content, err := io.ReadAll(n.Content.Reader())
			require.NoError(t, err)
			data[name] = content
		}
	}
	for name, content := range data {
		files.Get(name).Content = tree.Inline(content)
	}
	return files, image, nil
}

func requireClean(t *testing.T, image string) {
	t.Helper()
	out, err := exec.Command(needs.Program(t, "e2fsck"), "-fn", image).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// listTree has a line for each entry but the root: a letter for its type, its path, and its content or target. Further
// names of an inode name the first.
func listTree(t *testing.T, files *tree.Tree) []string {
	t.Helper()
	var lines []string
	first := map[*tree.Node]string{}
	for name, n := range files.Walk() {
		switch {
		case name == "":
		case n.Type == tree.Directory:
			lines = append(lines, "d "+name)
		case first[n] != "":
			lines = append(lines, "h "+name+" "+first[n])
		case n.Type == tree.Symlink:
			lines = append(lines, "l "+name+" "+n.Target)
		case n.Type == tree.Regular:
			data, err := io.ReadAll(n.Content.Reader())
			require.NoError(t, err)
			lines = append(lines, "f "+name+" "+string(data))
		default:
			lines = append(lines, n.Type.String()+" "+name)
		}
		first[n] = name
	}
	return lines
}

// TestLiesToGNUTar: where the table says so, GNU tar takes the archive in the same way, or refuses it as well.
func TestLiesToGNUTar(t *testing.T) {
	program := needs.Program(t, "tar")
	for name, c := range lies {
		if c.gnu == notAsked {
			continue
		}
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.Command(program, "--extract", "--file=-", "--directory="+dir, "--no-same-owner")
			cmd.Env = append(os.Environ(), "LC_ALL=C")
			cmd.Stdin = bytes.NewReader(c.archive)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if err != nil {
				require.True(t, errors.As(err, &exit), "%v", err)
			}
			agrees := (exit != nil) == (c.err != "")
			if agrees && exit == nil {
				files, err := tree.ReadDir(dir)
				require.NoError(t, err)
				agrees = strings.Join(listTree(t, files), "\n") == strings.Join(c.want, "\n")
			}
			require.Equal(t, c.gnu == same, agrees, "%s: %v", out, err)
		})
	}
}

// FuzzTarToExt4: whatever an archive says, there is an error or an ext4.
func FuzzTarToExt4(f *testing.F) {
	for _, c := range lies {
		f.Add(c.archive)
	}
	f.Fuzz(func(t *testing.T, archive []byte) {
		files, err := tree.ReadTar(bytes.NewReader(archive))
		if err != nil {
			return
		}
		o := ext4.Options{UUID: [16]byte{1}, Now: time.Unix(1_700_000_000, 0)}
		if o.Size, err = ext4.MinSize(files, o, 0); err != nil || o.Size > 256<<20 {
			return
		}
		image, err := os.Create(filepath.Join(t.TempDir(), "image"))
		require.NoError(t, err)
		defer image.Close()
		require.NoError(t, ext4.Write(t.Context(), image, 0, files, o))
	})
}
