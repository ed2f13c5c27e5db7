package fat

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	diskfs "github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// mkfs makes an empty file system with dosfstools.
func mkfs(t *testing.T, args ...string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	tool(t, "mkfs.vfat", append(append([]string{"-C"}, args...), image, "65536")...)
	return image
}

// TestReadMtools reads what mtools wrote, fragments among it.
func TestReadMtools(t *testing.T) {
	want := files(t, "config.txt", "UPPER.TXT", "lower.txt", "Mixed Case.txt", "a/b/c", "Grüße.txt")
	put(t, want, "empty", regular(""))
	big := make([]byte, 300_000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range big {
		big[i] = byte(random.Uint32())
	}
	put(t, want, "big", regular(string(big)))
	dir := t.TempDir()
	for name, n := range want.Walk() {
		if n.Type == tree.Regular {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
			data, err := want.ReadFile(name)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
		}
	}
	filler := filepath.Join(t.TempDir(), "filler")
	require.NoError(t, os.WriteFile(filler, nil, 0o600))
	for _, args := range [][]string{{"-F32", "-s1"}, {"-F32", "-s1", "-f1"}, {"-F32", "-s1", "-S512", "-R128"}} {
		image := mkfs(t, args...)
		// The disk is filled, and every second of these files removed, so that what follows comes into the gaps.
		copyIn := func(name string, size int64) {
			require.NoError(t, os.Truncate(filler, size))
			tool(t, "mcopy", "-i", image, filler, "::"+name)
		}
		for i := range 40 {
			copyIn(fmt.Sprintf("gap%d", i), 20_000)
		}
		copyIn("rest", freeSpace(t, image)-40_000)
		for i := 0; i < 40; i += 2 {
			tool(t, "mdel", "-i", image, fmt.Sprintf("::gap%d", i))
		}
		entries, err := filepath.Glob(dir + "/*")
		require.NoError(t, err)
		tool(t, "mcopy", append(append([]string{"-s", "-i", image}, entries...), "::/")...)
		tool(t, "mdel", "-i", image, "::gap*", "::rest")
		fsck(t, image)
		got, err := readImage(t, image)
		require.NoError(t, err)
		require.Equal(t, listTree(t, want), listTree(t, got))
		require.IsType(t, &os.File{}, got.Get("config.txt").Content.ReaderAt)
		require.IsType(t, &fragments{}, got.Get("big").Content.ReaderAt)
		require.NoError(t, iotest.TestReader(got.Get("big").Content.Reader(), big))
	}
}

// freeSpace returns the free bytes of an image as mtools counts them.
func freeSpace(t *testing.T, image string) int64 {
	t.Helper()
	found := regexp.MustCompile(`([\d ]+) bytes free`).FindStringSubmatch(tool(t, "mdir", "-i", image, "::"))
	require.NotNil(t, found)
	n, err := strconv.ParseInt(strings.ReplaceAll(found[1], " ", ""), 10, 64)
	require.NoError(t, err)
	return n
}

// TestGoDiskfsAgrees: another implementation reads the same contents. It ignores the order of surrogates, and is slow.
func TestGoDiskfsAgrees(t *testing.T) {
	in := bootFiles(t)
	in.Remove("Grüße 😀.txt")
	in.Remove("many")
	in.Remove("empty") // it reads one byte too many
	f, err := os.Open(write(t, in, testOptions))
	require.NoError(t, err)
	defer f.Close()
	fs, err := fat32.Read(diskfs.New(f, true), testOptions.Size, 0, sectorSize)
	require.NoError(t, err)
	require.Equal(t, testOptions.Label, strings.TrimSpace(fs.Label()))
	for name, n := range in.Walk() {
		if n.Type != tree.Regular {
			continue
		}
		data, err := fs.ReadFile(name)
		require.NoError(t, err, name)
		want, err := in.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, content(want), content(data), name)
	}
}

func TestShortNamesAreDecoded(t *testing.T) {
	for raw, want := range map[string]string{
		"CONFIG  TXT\x00":          "CONFIG.TXT",
		"CONFIG  TXT\x08":          "config.TXT",
		"CONFIG  TXT\x10":          "CONFIG.txt",
		"CONFIG  TXT\x18":          "config.txt",
		"NAME       \x00":          "NAME",
		"\x05\x9aX     \x81  \x00": "σÜX.ü",
	} {
		e := dirEntry{Name: [11]byte([]byte(raw[:11])), Case: raw[11]}
		require.Equal(t, want, e.shortName())
	}
}

// TestOrphanedLongNames: parts of long names that do not belong to the entry that follows are no names.
func TestOrphanedLongNames(t *testing.T) {
	fs, err := Prepare(files(t, "a name of more than thirteen units"), testOptions)
	require.NoError(t, err)
	good := fs.directory(fs.files[0])[entrySize:] // without the label
	for what, change := range map[string]func([]byte) []byte{
		"first part missing":  func(b []byte) []byte { return b[entrySize:] },
		"middle part missing": func(b []byte) []byte { return append(b[:entrySize:entrySize], b[2*entrySize:]...) },
		"last part missing":   func(b []byte) []byte { return append(b[:2*entrySize:2*entrySize], b[3*entrySize:]...) },
		"other checksum":      func(b []byte) []byte { b[13]++; return b },
		"other short name":    func(b []byte) []byte { b[3*entrySize] = 'B'; return b },
		"deleted in between":  func(b []byte) []byte { b[entrySize] = entryDeleted; return b },
	} {
		entries, err := parseDirectory(change(bytes.Clone(good)))
		require.NoError(t, err)
		require.Len(t, entries, 1)
		require.Regexp(t, `^[AB]NAMEO~1$`, entries[0].name, what)
	}
	entries, err := parseDirectory(good)
	require.NoError(t, err)
	require.Equal(t, "a name of more than thirteen units", entries[0].name)
}

// TestReadErrors damages a file system in one place each.
func TestReadErrors(t *testing.T) {
	in := files(t, "dir/file", "dir/other", "second")
	put(t, in, "large", regular(strings.Repeat("x", 5*sectorSize)))
	fs, err := Prepare(in, testOptions)
	require.NoError(t, err)
	good, err := os.ReadFile(write(t, in, testOptions))
	require.NoError(t, err)
	place := map[string]*file{}
	for _, f := range fs.files {
		place[f.path] = f
	}
	fat := func(name string, next uint32) func([]byte) {
		return func(b []byte) {
			binary.LittleEndian.PutUint32(b[fs.reserved+4*int64(place[name].first):], next)
		}
	}
	entry := func(name string, change func([]byte)) func([]byte) {
		return func(b []byte) {
			at := fs.offset(place[name].parent.first)
			dir := b[at : at+fs.cluster]
			change(dir[bytes.Index(dir, []byte(strings.ToUpper(filepath.Base(name)))):][:entrySize])
		}
	}
	for want, change := range map[string]func([]byte){
		"boot sector has signature 0x0000, want 0xaa55 of a FAT file system":           func(b []byte) { clear(b[510:512]) },
		"file system is exFAT, want FAT32":                                             func(b []byte) { copy(b[3:], "EXFAT   ") },
		"file system is NTFS, want FAT32":                                              func(b []byte) { copy(b[3:], "NTFS    ") },
		"boot sector is not that of a FAT file system":                                 func(b []byte) { b[13] = 3 },
		"boot sector is damaged: 0 sectors in the file system, 640 in a FAT":           func(b []byte) { clear(b[32:36]) },
		"file system of 83886080 bytes is larger than its partition of 41943040 bytes": func(b []byte) { b[34] *= 2; b[33] *= 2 },
		"FAT of 512 bytes has no room for 81886 clusters":                              func(b []byte) { copy(b[36:], "\x01\x00\x00\x00") },
		"/: cluster 0 of the file has the number 0, want 2 to 80609":                   func(b []byte) { clear(b[44:48]) },
		"/dir/file: cluster 2 belongs to two files":                                    entry("dir/file", func(e []byte) { e[26] = 2 }),
		"/dir: cluster 2 belongs to two files":                                         entry("dir", func(e []byte) { e[26] = 2 }),
		"/large: cluster 6 belongs to two files":                                       fat("large", place["large"].first),
		"/large: cluster 1 of the file has the number 0, want 2 to 80609":              fat("large", 0),
		"/large: cluster 1 of the file has the number 99999, want 2 to 80609":          fat("large", 99999),
		"/large: cluster 1 of the file is marked as bad":                               fat("large", fatBad),
		"/large: cluster chain has 1 clusters, but the 2560 bytes of the file need 5":  fat("large", fatEnd),
		"/second: name appears twice in its directory": func(b []byte) {
			dir := b[fs.offset(firstData):]
			end := fs.files[0].entries * entrySize
			copy(dir[end:], dir[end-2*entrySize:end])
		},
		`/: directory entry has the invalid name "A/B"`: entry("second", func(e []byte) { copy(e, "A/B    ") }),
	} {
		t.Run(want, func(t *testing.T) {
			b := bytes.Clone(good)
			change(b)
			_, err := Read(t.Context(), bytes.NewReader(b), 0, int64(len(b)))
			require.EqualError(t, err, want)
		})
	}
	_, err = Read(t.Context(), bytes.NewReader(good[:fs.data()]), 0, int64(len(good)))
	require.EqualError(t, err, "/: read directory: EOF")
	_, err = Read(t.Context(), bytes.NewReader(nil), 0, 0)
	require.EqualError(t, err, "read boot sector: EOF")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Read(ctx, bytes.NewReader(good), 0, int64(len(good)))
	require.ErrorIs(t, err, context.Canceled)
}

// TestOlderTypesAreNamed reads what mkfs.vfat makes of sizes that are too small for FAT32.
func TestOlderTypesAreNamed(t *testing.T) {
	for _, kind := range []string{"12", "16"} {
		image := mkfs(t, "-F"+kind)
		_, err := readImage(t, image)
		require.EqualError(t, err, "file system is FAT"+kind+", want FAT32")
	}
}

// FuzzRead: whatever the file system holds, reading ends without a panic, and what was read can be read again.
func FuzzRead(f *testing.F) {
	o := testOptions
	o.Size = smallest(minClusters, sectorSize, 0).size
	in := tree.New()
	for _, name := range []string{"config.txt", "dir/Grüße 😀.txt", "dir/deep/er"} {
		if err := in.Put(name, regular(name)); err != nil {
			f.Fatal(err)
		}
	}
	fs, err := Prepare(in, o)
	if err != nil {
		f.Fatal(err)
	}
	var image memory
	if err := fs.Write(f.Context(), &image, 0); err != nil {
		f.Fatal(err)
	}
	// The FATs are long and empty: only the beginnings of the three parts are fuzzed.
	at := [3]int64{0, fs.reserved, fs.data()}
	var seed []byte
	for _, start := range at {
		seed = append(seed, image[start:start+windowSize]...)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append(b, make([]byte, len(seed))...)
		got, err := Read(t.Context(), windows{at, b}, 0, o.Size)
		if err != nil {
			return
		}
		for _, n := range got.Walk() {
			if n.Type == tree.Regular {
				_, err := io.Copy(io.Discard, io.LimitReader(n.Content.Reader(), 1<<20))
				require.NoError(t, err)
			}
		}
	})
}

const windowSize = 3 * sectorSize

// windows is a file with data from three offsets on, and zeroes elsewhere.
type windows struct {
	at   [3]int64
	data []byte
}

// ReadAt implements io.ReaderAt.
func (w windows) ReadAt(b []byte, offset int64) (int, error) {
	clear(b)
	for i, start := range w.at {
		data := w.data[i*windowSize:][:windowSize]
		if from := start - offset; from >= 0 && from < int64(len(b)) {
			copy(b[from:], data)
		} else if from < 0 && -from < windowSize {
			copy(b, data[-from:])
		}
	}
	return len(b), nil
}

// memory is a file in memory.
type memory []byte

func (m *memory) WriteAt(b []byte, offset int64) (int, error) {
	if end := int(offset) + len(b); end > len(*m) {
		*m = append(*m, make([]byte, end-len(*m))...)
	}
	return copy((*m)[offset:], b), nil
}
