package layerstore

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"

	"github.com/PlanktoScope/pkbuild/internal/ctxio"
)

// clean returns the name of an archive's entry relative to the layer's directory.
func clean(name string) string { return path.Clean("/" + name)[1:] }

// unpacker returns the entries of tar-split metadata.
func unpacker(split io.Reader) (storage.Unpacker, error) {
	z, err := gzip.NewReader(bufio.NewReader(split))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", splitFile, err)
	}
	return storage.NewJSONUnpacker(z), nil
}

// checkSizes compares the sizes of the files of a layer with its tar-split metadata.
func checkSizes(files *os.Root, split io.Reader) error {
	entries, err := unpacker(split)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		e, err := entries.Next()
		switch {
		case errors.Is(err, io.EOF) && n > 0:
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", splitFile, err)
		case e.Type != storage.FileType || e.Size == 0:
			continue
		}
		info, err := files.Stat(clean(e.GetName()))
		if err != nil {
			return fmt.Errorf("%s: %w", e.GetName(), withoutPath(err))
		}
		if info.Size() != e.Size {
			return fmt.Errorf("%s has %d bytes, want %d", e.GetName(), info.Size(), e.Size)
		}
	}
}

// getter opens the files of a layer.
type getter struct{ files *os.Root }

// Get implements storage.FileGetter: it opens a file of the layer by its name in the layer's archive.
func (g getter) Get(name string) (io.ReadCloser, error) {
	f, err := g.files.Open(clean(name))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, withoutPath(err))
	}
	return f, nil
}

// checkContents compares a layer with its diff ID: the archive that its files and the metadata make, and the types and link
// targets of its other files.
func checkContents(ctx context.Context, files *os.Root, split io.Reader, want digest.Digest) error {
	entries, err := unpacker(ctxio.Reader(ctx, split))
	if err != nil {
		return err
	}
	hash := digest.SHA256.Hash()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := asm.WriteOutputTarStream(getter{files}, entries, io.MultiWriter(hash, w))
		_ = w.CloseWithError(err) // never fails
		done <- err
	}()
	typeErr := checkTypes(files, tar.NewReader(r))
	_, _ = io.Copy(io.Discard, r) // its error is that of the writer
	if err := <-done; err != nil {
		return err
	}
	if typeErr != nil {
		return typeErr
	}
	if got := digest.NewDigest(digest.SHA256, hash); got != want {
		return fmt.Errorf("archive has the digest %s", got)
	}
	return nil
}

// checkTypes compares the types and link targets of the files of a layer with the headers in its archive. An archive that it
// cannot read has none that differs: Docker reads more formats.
func checkTypes(files *os.Root, archive *tar.Reader) error {
	for {
		h, err := archive.Next()
		if err != nil {
			return nil
		}
		name := clean(h.Name)
		if name == "" || strings.HasPrefix(path.Base(name), ".wh.") {
			continue
		}
		info, err := files.Lstat(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, withoutPath(err))
		}
		want := h.FileInfo().Mode().Type()
		if h.Typeflag != tar.TypeLink && info.Mode().Type() != want {
			return fmt.Errorf("%s is a %s, want a %s", name, typeName(info.Mode()), typeName(want))
		}
		if h.Typeflag != tar.TypeSymlink {
			continue
		}
		if target, err := files.Readlink(name); err != nil || target != h.Linkname {
			return fmt.Errorf("%s is a symlink to %q, want %q", name, target, h.Linkname)
		}
	}
}

func typeName(mode fs.FileMode) string {
	switch mode.Type() {
	case 0:
		return "file"
	case fs.ModeDir:
		return "directory"
	case fs.ModeSymlink:
		return "symlink"
	}
	return "special file"
}
