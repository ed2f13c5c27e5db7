package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/compress"
	"github.com/PlanktoScope/pkbuild/internal/ctxio"
)

// ReadArchive is ReadTar for an archive that may be compressed with gzip, zstd, xz or bzip2. An archive that is compressed
// or not a regular file is unpacked to an unnamed file in dir. The contents of the tree lie in the returned file, which may
// be the archive itself, and which the caller closes.
func ReadArchive(ctx context.Context, archive *os.File, dir string) (t *Tree, contents *os.File, err error) {
	info, err := archive.Stat()
	if err != nil {
		return nil, nil, err
	}
	if info.IsDir() {
		return nil, nil, fmt.Errorf("%s is a directory", archive.Name())
	}
	in, format, err := compress.NewReader(ctxio.Reader(ctx, archive), compress.Gzip, compress.Zstd, compress.Xz, compress.Bzip2)
	if err != nil {
		return nil, nil, fmt.Errorf("unpack %s: %w", archive.Name(), err)
	}
	defer in.Close()
	contents = archive
	if format != compress.None || !info.Mode().IsRegular() {
		if contents, err = spool(in, dir); err != nil {
			return nil, nil, fmt.Errorf("unpack %s: %w", archive.Name(), err)
		}
	}
	if _, err = contents.Seek(0, io.SeekStart); err == nil {
		t, err = ReadTar(contents)
	}
	if err != nil && contents != archive {
		err = errors.Join(err, contents.Close())
	}
	return t, contents, err
}

// spool copies to a file without a name, which vanishes when it is closed or the process is killed.
func spool(r io.Reader, dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, ".pkbuild-*")
	if err != nil {
		return nil, err
	}
	if err = os.Remove(f.Name()); err == nil {
		_, err = io.Copy(f, r)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// whiteoutPrefix begins the names by which an image layer deletes entries of the layers below.
// https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
const whiteoutPrefix = ".wh."

// RemoveWhiteouts removes the whiteouts of a tree that was read from an OCI image layer, empty files with the prefix .wh.,
// and returns their paths. It is for a layer that has no layers below.
func (t *Tree) RemoveWhiteouts() []string {
	var names []string
	for name, n := range t.Walk() {
		if strings.HasPrefix(path.Base(name), whiteoutPrefix) && n.Type == Regular && n.Content.Size == 0 {
			names = append(names, name)
		}
	}
	for _, name := range names {
		t.Remove(name)
	}
	return names
}
