package compress

import (
	"bytes"
	"compress/gzip"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

const text = "some content, some content, some content"

// compressed is the text in each format that NewReader reads.
func compressed(t *testing.T) map[Format][]byte {
	t.Helper()
	pack := func(open func(io.Writer) (io.WriteCloser, error)) []byte {
		var out bytes.Buffer
		w, err := open(&out)
		require.NoError(t, err)
		_, err = io.WriteString(w, text)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return out.Bytes()
	}
	bzip2 := exec.Command(needs.Program(t, "bzip2"))
	bzip2.Stdin = strings.NewReader(text)
	bz, err := bzip2.Output()
	require.NoError(t, err)
	return map[Format][]byte{
		None:  []byte(text),
		Gzip:  pack(func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }),
		Zstd:  pack(func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }),
		Xz:    pack(func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }),
		Bzip2: bz,
	}
}

func TestNewReader(t *testing.T) {
	for format, data := range compressed(t) {
		r, got, err := NewReader(bytes.NewReader(data), Gzip, Zstd, Xz, Bzip2)
		require.NoError(t, err, format)
		require.Equal(t, format, got)
		content, err := io.ReadAll(r)
		require.NoError(t, err, format)
		require.Equal(t, text, string(content))
		require.NoError(t, r.Close())
		at, err := DetectAt(bytes.NewReader(data))
		require.NoError(t, err)
		require.Equal(t, format, at)
	}
}

func TestNewReaderRefusesFormat(t *testing.T) {
	_, _, err := NewReader(bytes.NewReader(compressed(t)[Xz]), Gzip, Zstd)
	require.EqualError(t, err, "content is compressed with xz: want gzip, zstd or none")
	_, _, err = NewReader(strings.NewReader("PK\x05\x06"), Zip)
	require.EqualError(t, err, "decompress zip: not supported")
}

func TestDetect(t *testing.T) {
	for header, want := range map[string]Format{
		"": None, "\x1f": None, "\x1f\x8b": Gzip, "BZ": None, "BZh9": Bzip2, "PK\x03\x04": Zip, "PK\x05\x06": Zip,
		"\xfd7zXZ": None, "\xfd7zXZ\x00": Xz, "\x28\xb5\x2f\xfd": Zstd,
	} {
		require.Equal(t, want, Detect([]byte(header)), "%q", header)
	}
}

func TestNewReaderOfShortContent(t *testing.T) {
	for _, content := range []string{"", "a", "\x1f"} {
		r, _, err := NewReader(strings.NewReader(content))
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, content, string(got))
	}
}
