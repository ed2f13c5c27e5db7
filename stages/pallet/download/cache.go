package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"go.podman.io/image/v5/types"

	"github.com/PlanktoScope/pkbuild/internal/download"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
	"github.com/PlanktoScope/pkbuild/stages/pallet/internal/newdir"
	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
)

// Cache is a directory with the downloads of pallets, which several processes may share.
type Cache struct {
	Dir      string // created if it does not exist
	Mirrors  mirror.Mirrors
	Platform string               // of images: os/architecture[/variant]; empty: linux/arm64
	Offline  bool                 // use the cache and mirrors in the file system only
	Client   *http.Client         // for files; nil: http.DefaultClient
	Retry    download.Retry       // the zero value: download.DefaultRetry
	System   *types.SystemContext // for images: see source.Client
}

// MaxBytes is the largest size of a downloaded file, and of an unpacked tree, in bytes.
const MaxBytes = 4 << 30

// Fetch downloads a file, an archive or a container image that a pallet exports, and unpacks archives and images. It returns
// a directory in the cache and, relative to it, the path of the file or directory tree to export. It implements
// pallet.Downloader.
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
	return "", "", fmt.Errorf("download type %q is unknown", d.Type)
}

// Checksum returns the SHA-256, as sha256:HEX, that pins a pallet's download to its current content: the hash of the file or
// archive, which it downloads, or of the manifest that a container image's name means now.
func (c Cache) Checksum(ctx context.Context, d pallet.Download) (string, error) {
	if d.Type == pallet.SourceOCIImage {
		return c.imageDigest(ctx, d)
	}
	digest, err := c.file(ctx, d.URL, d.Checksum)
	return "sha256:" + digest, err
}

// files returns the directory of the files and image layers, whose names are the hashes of their contents.
func (c Cache) files() string { return filepath.Join(c.Dir, "files") }

func (c Cache) retry() download.Retry {
	if c.Retry.Attempts == 0 {
		return download.DefaultRetry()
	}
	return c.Retry
}

// archive downloads and unpacks an archive.
func (c Cache) archive(ctx context.Context, d pallet.Download) (dir, name string, err error) {
	digest, err := c.file(ctx, d.URL, d.Checksum)
	if err != nil {
		return "", "", err
	}
	dir, name, err = c.unpacked(d, digest, func() (unpacker, error) {
		l, err := archiveLayer(c.path(digest))
		return unpacker{layers: []layer{l}}, err
	})
	if err != nil {
		return "", "", fmt.Errorf("unpack %s: %w", d.URL, err)
	}
	return dir, name, nil
}

// unpacked returns the directory into which the source of a download was unpacked, and unpacks it the first time. The key
// identifies the content that open opens.
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

// errOffline is returned for what would have to be downloaded.
var errOffline = errors.New("download is not in the cache, and --offline forbids to fetch it")
