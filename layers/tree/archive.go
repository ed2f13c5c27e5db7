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

// ReadArchive reads a tar as ReadTar does, that may be compressed with gzip, zstd, xz or bzip2. What is compressed, or
// is no file in which one can go back, is unpacked to a file without a name in dir. The contents lie in the file that
// is returned, which may be the archive itself.
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

// spool copies to a file that is gone when it is closed, even if the process is killed.
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

// A layer of a container names by this prefix what of the layers below it is deleted, and by the whole a directory of
// which nothing below is to be seen.
// https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
const whiteoutPrefix = ".wh."

// RemoveWhiteouts removes the entries by which a container's layer deletes what lies below, where nothing does. It
// returns their paths.
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
