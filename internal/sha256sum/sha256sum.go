// Package sha256sum computes the SHA-256 digests of files.
package sha256sum

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"

	"github.com/PlanktoScope/pkbuild/internal/ctxio"
)

// File returns the SHA-256 of a file in hexadecimal.
func File(ctx context.Context, name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum, _, err := Reader(ctx, f)
	return sum, err
}

// FileIn returns the SHA-256, in hexadecimal, of the file at a name in fsys.
func FileIn(ctx context.Context, fsys fs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum, _, err := Reader(ctx, f)
	return sum, err
}

// Reader reads r to its end and returns the SHA-256 of what it read, in hexadecimal, and the number of bytes.
func Reader(ctx context.Context, r io.Reader) (sum string, size int64, err error) {
	h := sha256.New()
	size, err = io.Copy(h, ctxio.Reader(ctx, r))
	return hex.EncodeToString(h.Sum(nil)), size, err
}
