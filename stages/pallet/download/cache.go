package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/sha256sum"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
	"github.com/PlanktoScope/pkbuild/stages/pallet/internal/newdir"
	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
)

// Cache is where downloads are kept.
type Cache struct {
	Dir      string // it is made if it is missing
	Mirrors  mirror.Mirrors
	Platform string       // of images: os/architecture[/variant], such as linux/arm64, which is the default
	Offline  bool         // nothing but the cache and mirrors in the file system is asked
	Client   *http.Client // of files; nil: http.DefaultClient
}

// MaxBytes is the size of the largest file that is downloaded, and of the largest tree that is unpacked.
const MaxBytes = 4 << 30

// Fetch is where a download lies, unpacked if it is an archive or an image: it implements pallet.Downloader.
func (c Cache) Fetch(ctx context.Context, d pallet.Download) (dir, name string, err error) {
	switch d.Type {
	case pallet.SourceHTTP:
		digest, err := c.file(ctx, d.URL, d.Checksum)
		return c.files(), digest, err
	case pallet.SourceHTTPArchive:
		return c.archive(ctx, d)
	case pallet.SourceOCIImage:
		return c.image(ctx, d)
	}
	return "", "", fmt.Errorf("unknown type of download %q", d.Type)
}

// Checksum is that of a download as it is now, with which the download stays what it is: of the file, or of the image's
// manifest. A file is kept.
func (c Cache) Checksum(ctx context.Context, d pallet.Download) (string, error) {
	if d.Type == pallet.SourceOCIImage {
		return c.imageDigest(ctx, d)
	}
	digest, err := c.file(ctx, d.URL, d.Checksum)
	return "sha256:" + digest, err
}

// files is the directory of the files, each of which has the hash of its content as its name.
func (c Cache) files() string { return filepath.Join(c.Dir, "files") }

// archive downloads and unpacks an archive.
func (c Cache) archive(ctx context.Context, d pallet.Download) (dir, name string, err error) {
	digest, err := c.file(ctx, d.URL, d.Checksum)
	if err != nil {
		return "", "", err
	}
	return c.unpacked(d, digest, func() (unpacker, error) {
		l, err := archiveLayer(filepath.Join(c.files(), digest))
		return unpacker{layers: []layer{l}}, err
	})
}

// unpacked is where the source of a download lies, which it is unpacked to if it is not there.
func (c Cache) unpacked(d pallet.Download, key string, open func() (unpacker, error)) (dir, name string, err error) {
	sum := sha256.Sum256([]byte(d.Type + "\n" + key + "\n" + d.Source))
	dir = filepath.Join(c.Dir, "unpacked", hex.EncodeToString(sum[:]))
	if _, err := os.Stat(dir); err == nil {
		return dir, d.Source, nil
	}
	u, err := open()
	if err == nil {
		err = newdir.Make(dir, func(tmp string) error { return u.unpack(d.Source, tmp) })
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return "", "", err
	}
	return dir, d.Source, nil
}

// errOffline is why nothing is downloaded.
var errOffline = errors.New("it is not in the cache, and --offline forbids to download it")

// keep stores content under its hash, if that is the expected one, and returns the hash.
func (c Cache) keep(content io.Reader, want string) (digest string, err error) {
	if err := os.MkdirAll(c.files(), 0o755); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(c.files(), ".new-")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(content, MaxBytes+1))
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return "", err
	}
	digest = hex.EncodeToString(sum.Sum(nil))
	switch want := strings.TrimPrefix(want, "sha256:"); {
	case size > MaxBytes:
		return "", fmt.Errorf("it has more than %d bytes", int64(MaxBytes))
	case want != "" && want != digest:
		return "", fmt.Errorf("it has the checksum sha256:%s, not sha256:%s", digest, want)
	}
	return digest, os.Rename(f.Name(), filepath.Join(c.files(), digest))
}

// kept reports whether content of a hash is in the cache as it was stored.
func (c Cache) kept(digest string) bool {
	digest = strings.TrimPrefix(digest, "sha256:")
	sum, err := sha256sum.File(context.Background(), filepath.Join(c.files(), digest))
	return err == nil && sum == digest
}
