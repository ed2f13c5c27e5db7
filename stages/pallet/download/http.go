package download

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/internal/download"
	"github.com/PlanktoScope/pkbuild/internal/sha256sum"
)

// file downloads a file into the cache and returns its hash. One with a checksum is downloaded once; any other is
// downloaded each time, since it may have changed.
func (c Cache) file(ctx context.Context, address, checksum string) (digest string, err error) {
	checksum = strings.TrimPrefix(checksum, "sha256:")
	if checksum != "" && c.verified(ctx, checksum) {
		return checksum, nil
	}
	place, err := c.place(address)
	if err == nil {
		digest, err = c.fetch(ctx, download.File{URL: place, SHA256: checksum})
	}
	if err != nil {
		return "", fmt.Errorf("download %s: %w", address, err)
	}
	return digest, nil
}

// place returns the URL from which to download a file: its own, or that of a mirror.
func (c Cache) place(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("URL is not an http or https URL")
	}
	if mirror, ok := c.Mirrors.Find(strings.TrimPrefix(address, u.Scheme+"://")); ok {
		if u, err = url.Parse(mirror); err != nil {
			return "", err
		}
	}
	if u.Scheme == "file" || u.Scheme == "" {
		return (&url.URL{Scheme: "file", Path: u.Path}).String(), nil
	}
	if c.Offline {
		return "", errOffline
	}
	return u.String(), nil
}

// fetch downloads a file into the cache. The download of a file with a known hash resumes where an earlier one ended.
func (c Cache) fetch(ctx context.Context, file download.File) (digest string, err error) {
	options := download.Options{Retry: c.retry(), Client: c.Client, MaxSize: MaxBytes}
	if file.SHA256 != "" {
		return file.SHA256, atomicfile.Produce(ctx, c.path(file.SHA256), func(f *os.File) error {
			return download.Fetch(ctx, file, f, options)
		})
	}
	if err := os.MkdirAll(c.files(), 0o755); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(c.files(), ".new-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close(), os.RemoveAll(f.Name())) }() // unless it was renamed
	if err := errors.Join(download.Fetch(ctx, file, f, options), f.Chmod(0o644)); err != nil {
		return "", err
	}
	if digest, err = sha256sum.File(ctx, f.Name()); err != nil {
		return "", err
	}
	return digest, atomicfile.Rename(f.Name(), c.path(digest))
}

// path returns the path of a file in the cache.
func (c Cache) path(digest string) string { return filepath.Join(c.files(), digest) }

// verified reports whether the cache has a file undamaged. It deletes a damaged one.
func (c Cache) verified(ctx context.Context, digest string) bool {
	sum, err := sha256sum.File(ctx, c.path(digest))
	if err == nil && sum != digest {
		err = os.Remove(c.path(digest))
	}
	return err == nil && sum == digest
}
