package images

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// noise returns incompressible content.
func noise(n int) []byte {
	out := make([]byte, n)
	rand.New(rand.NewSource(1)).Read(out)
	return out
}

func writing(data []byte) func(*Partial) error {
	return func(p *Partial) error { _, err := p.Write(data); return err }
}

func names(t *testing.T, b Blobs) []string {
	t.Helper()
	entries, err := os.ReadDir(b.Dir)
	require.NoError(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// TestShared reads blobs from the shared directory and writes new ones to the own one only.
func TestShared(t *testing.T) {
	shared, cache := t.TempDir(), t.TempDir()
	other, b := In(shared, ""), In(cache, shared)
	old, fresh := noise(1000), noise(2000)
	there, err := other.PutBytes(t.Context(), old)
	require.NoError(t, err)

	never := func(*Partial) error { t.Error("filled a blob that exists"); return nil }
	require.NoError(t, b.Put(t.Context(), there, never))
	require.NoError(t, b.Add(t.Context(), Layer{Digest: digest.FromBytes(fresh), DiffID: there}, never))
	require.True(t, b.Has(there))
	got, err := b.Bytes(there)
	require.NoError(t, err)
	require.Equal(t, old, got)

	mine, err := b.PutBytes(t.Context(), fresh)
	require.NoError(t, err)
	require.Equal(t, []string{mine.Encoded()}, names(t, b))
	require.Equal(t, []string{there.Encoded()}, names(t, other))
}

func TestPut(t *testing.T) {
	data := noise(100_000)
	d := digest.FromBytes(data)
	b := Blobs{Dir: filepath.Join(t.TempDir(), "blobs")}
	_, err := b.Open(d)
	require.ErrorIs(t, err, fs.ErrNotExist)

	broken := errors.New("the connection broke")
	err = b.Put(t.Context(), d, func(p *Partial) error { return errors.Join(writing(data[:60_000])(p), broken) })
	require.ErrorIs(t, err, broken)
	require.False(t, b.Has(d))
	require.Equal(t, []string{d.Encoded() + ".part"}, names(t, b))

	require.NoError(t, b.Put(t.Context(), d, func(p *Partial) error {
		require.EqualValues(t, 60_000, p.Size(), "resumed")
		return writing(data[60_000:])(p)
	}))
	require.True(t, b.Has(d))
	require.Equal(t, []string{d.Encoded()}, names(t, b))
	got, err := b.Bytes(d)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
	require.NoError(t, b.Put(t.Context(), d, func(*Partial) error { return errors.New("filled again") }))
}

func TestPutRefuses(t *testing.T) {
	d := digest.FromString("right")
	for name, test := range map[string]struct {
		digest digest.Digest
		fill   func(*Partial) error
		want   string
		left   int64 // bytes of the partial file; -1: there is none
	}{
		"another content": {d, writing([]byte("wrong")), "content (5 bytes) has the digest " +
			digest.FromString("wrong").String() + ", want " + d.String(), 0},
		"a full disk": {d, func(p *Partial) error { return errors.Join(writing([]byte("ri"))(p), syscall.ENOSPC) },
			"no space left on device; free some space, or run pkbuild cache prune", 0},
		"a path":            {"sha256:../../etc/passwd", nil, `"sha256:../../etc/passwd" is not a SHA-256 digest`, -1},
		"another algorithm": {digest.SHA512.FromString("right"), nil, "is not a SHA-256 digest", -1},
		"empty":             {"", nil, `"" is not a SHA-256 digest`, -1},
	} {
		t.Run(name, func(t *testing.T) {
			b := In(t.TempDir(), "")
			require.ErrorContains(t, b.Put(t.Context(), test.digest, test.fill), test.want)
			require.False(t, b.Has(test.digest))
			if test.left >= 0 {
				info, err := os.Stat(b.Path(test.digest) + ".part")
				require.NoError(t, err)
				require.Equal(t, test.left, info.Size())
			}
		})
	}
}

func TestBytesVerifies(t *testing.T) {
	b := Blobs{Dir: t.TempDir()}
	d, err := b.PutBytes(t.Context(), []byte("manifest"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(b.Path(d), []byte("Manifest"), 0o644))
	_, err = b.Bytes(d)
	require.EqualError(t, err, "verify "+b.Path(d)+": content does not have the digest in its name; remove it")
}

func compressed(t *testing.T, how string, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	switch how {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "zstd":
		z, err := zstd.NewWriter(&out)
		require.NoError(t, err)
		w = z
	default:
		return append([]byte(how), data...)
	}
	_, err := w.Write(data)
	require.NoError(t, errors.Join(err, w.Close()))
	return out.Bytes()
}

func TestDiff(t *testing.T) {
	archive := append(noise(300_000), make([]byte, 1<<20)...)
	for _, how := range []string{"gzip", "zstd", ""} {
		t.Run(how, func(t *testing.T) {
			b, blob := Blobs{Dir: t.TempDir()}, compressed(t, how, archive)
			l := Layer{Digest: digest.FromBytes(blob), DiffID: digest.FromBytes(archive)}
			_, err := b.Diff(t.Context(), l)
			require.EqualError(t, err, "layer "+l.Digest.String()+" is not in "+b.Dir+": fetch the image first")
			require.NoError(t, b.Add(t.Context(), l, writing(blob)))
			f, err := b.Diff(t.Context(), l)
			require.NoError(t, err)
			got, err := io.ReadAll(f)
			require.NoError(t, errors.Join(err, f.Close()))
			require.True(t, bytes.Equal(archive, got))
			require.Equal(t, []string{l.DiffID.Encoded()}, names(t, b), "the compressed blob is removed")

			b = Blobs{Dir: t.TempDir()}
			require.NoError(t, b.Put(t.Context(), l.Digest, writing(blob)))
			f, err = b.Diff(t.Context(), l)
			require.NoError(t, err, "from the stored blob")
			require.NoError(t, f.Close())
		})
	}
}

func TestDiffRefuses(t *testing.T) {
	archive := noise(300_000)
	right := digest.FromBytes(archive)
	zipped := compressed(t, "gzip", archive)
	for name, test := range map[string]struct {
		blob []byte
		diff digest.Digest
		want string
	}{
		"another diff ID": {zipped, digest.FromString("x"), "diff ID in the configuration is " +
			digest.FromString("x").String() + ", digest of the archive is " + right.String()},
		"a broken archive": {zipped[:len(zipped)-9], right, "unexpected EOF"},
		"xz":               {compressed(t, "\xfd7zXZ\x00", archive), right, "content is compressed with xz: want gzip, zstd or none"},
		"a huge window":    {[]byte("\x28\xb5\x2f\xfd\x00\xf8\x01\x00\x00"), right, "window size exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			b, l := Blobs{Dir: t.TempDir()}, Layer{Digest: digest.FromBytes(test.blob), DiffID: test.diff}
			require.ErrorContains(t, b.Add(t.Context(), l, writing(test.blob)), test.want)
			require.False(t, b.Has(l.DiffID))
			info, err := os.Stat(b.Path(l.DiffID) + ".part")
			require.NoError(t, err)
			require.Zero(t, info.Size(), "an incomplete archive is not kept")
		})
	}
}

// TestAddConcurrently adds a layer several times at once: it is fetched once.
func TestAddConcurrently(t *testing.T) {
	archive := noise(300_000)
	blob := compressed(t, "gzip", archive)
	l := Layer{Digest: digest.FromBytes(blob), DiffID: digest.FromBytes(archive)}
	b, fetched := Blobs{Dir: t.TempDir()}, 0
	group, ctx := errgroup.WithContext(t.Context())
	for range 8 {
		group.Go(func() error {
			return b.Add(ctx, l, func(p *Partial) error { fetched++; return writing(blob)(p) })
		})
	}
	require.NoError(t, group.Wait())
	require.Equal(t, 1, fetched)
	require.Equal(t, []string{l.DiffID.Encoded()}, names(t, b))
}

func TestAddStops(t *testing.T) {
	archive := make([]byte, 10<<20)
	blob := compressed(t, "gzip", archive)
	b, l := Blobs{Dir: t.TempDir()}, Layer{Digest: digest.FromBytes(blob), DiffID: digest.FromBytes(archive)}
	ctx, cancel := context.WithCancel(t.Context())
	err := b.Add(ctx, l, func(p *Partial) error { cancel(); return writing(blob)(p) })
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, b.Has(l.DiffID))
	require.True(t, b.Has(l.Digest), "the blob is kept")
}

// TestAddAfterPowerCut adds a layer whose unsynced blob was truncated: it is fetched again.
func TestAddAfterPowerCut(t *testing.T) {
	archive := noise(300_000)
	blob := compressed(t, "gzip", archive)
	b, l := Blobs{Dir: t.TempDir()}, Layer{Digest: digest.FromBytes(blob), DiffID: digest.FromBytes(archive)}
	for _, left := range [][]byte{nil, blob[:len(blob)/2], make([]byte, len(blob))} {
		require.NoError(t, os.WriteFile(b.Path(l.Digest), left, 0o644))
		require.Error(t, b.Add(t.Context(), l, writing(blob)))
		require.NoError(t, b.Add(t.Context(), l, writing(blob)), "fetched again")
		require.Equal(t, []string{l.DiffID.Encoded()}, names(t, b))
		require.NoError(t, os.Remove(b.Path(l.DiffID)))
	}
}
