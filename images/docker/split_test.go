package docker

import (
	"archive/tar"
	"bytes"
	"hash/crc64"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"
)

func TestCRC(t *testing.T) {
	data := make([]byte, 300)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	table := crc64.MakeTable(crc64.ISO)
	for n := range len(data) {
		for _, before := range []uint64{0, 1, 1 << 63, 0xfedcba9876543210} {
			require.Equal(t, crc64.Update(before, table, data[:n]), updateCRC(before, data[:n]), "%d bytes after %x", n, before)
		}
	}
}

// byLibrary returns the tar-split metadata that the library of Docker writes for an archive.
func byLibrary(t *testing.T, archive []byte) string {
	var out bytes.Buffer
	in, done, err := asm.NewInputTarStreamWithDone(bytes.NewReader(archive), storage.NewJSONPacker(&out), nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, in)
	require.NoError(t, err)
	require.NoError(t, <-done)
	return out.String()
}

func TestSplit(t *testing.T) {
	for name, headers := range map[string][]tar.Header{
		"nothing": nil,
		"files":   {{Name: "a", Size: 1}, {Name: "empty"}, {Name: "dir/", Typeflag: tar.TypeDir}, {Name: "b", Size: 200_000}},
		"long names and attributes": {
			{Name: strings.Repeat("n/", 200), Typeflag: tar.TypeDir, Format: tar.FormatPAX},
			{Name: strings.Repeat("g/", 200) + "f", Size: 512, Format: tar.FormatGNU},
			{Name: "x", Size: 700, PAXRecords: map[string]string{"SCHILY.xattr.user.a": "b"}},
		},
		"a name of other bytes": {{Name: "caf\xe9", Size: 3, Format: tar.FormatGNU}},
		"links":                 {{Name: "a", Size: 5}, {Name: "b", Typeflag: tar.TypeLink, Linkname: "a"}},
	} {
		for _, rest := range []int{0, 1, 512, 9000} {
			var archive bytes.Buffer
			w := tar.NewWriter(&archive)
			for _, h := range headers {
				require.NoError(t, w.WriteHeader(&h))
				_, err := io.CopyN(w, rand.NewChaCha8([32]byte{2}), h.Size)
				require.NoError(t, err)
			}
			require.NoError(t, w.Close())
			archive.Write(make([]byte, rest))
			var out bytes.Buffer
			require.NoError(t, split(t.Context(), bytes.NewReader(archive.Bytes()), &out), name)
			unzipped, err := gzip.NewReader(&out)
			require.NoError(t, err)
			got, err := io.ReadAll(unzipped)
			require.NoError(t, err)
			require.Equal(t, byLibrary(t, archive.Bytes()), string(got), "%s, and %d bytes", name, rest)
		}
	}
}
