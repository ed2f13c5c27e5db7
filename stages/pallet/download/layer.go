package download

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/PlanktoScope/pkbuild/internal/compress"
)

// member is an entry of an archive.
type member struct {
	name string
	mode fs.FileMode // type and permissions
	link string      // target of a symlink
	hard string      // name of the member that this is another name of
}

// layer is an archive that is read more than once, always in the same order.
type layer interface {
	each(visit func(m member, content io.Reader) error) error
}

// maxStream is the number of bytes that an archive may have once it is uncompressed.
const maxStream = 16 << 30

// archiveLayer is the archive in a file, of the kind that its first bytes say.
func archiveLayer(name string) (layer, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	start := make([]byte, 512)
	n, err := io.ReadFull(f, start)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	start = start[:n]
	format := compress.Detect(start)
	switch {
	case format == compress.Zip:
		return zipLayer(name), nil
	case slices.Contains(tarFormats, format),
		n == 512 && (bytes.HasPrefix(start[257:], []byte("ustar")) || bytes.Count(start, []byte{0}) == 512):
		return tarLayer(name), nil
	}
	return nil, errors.New("it is no archive: tar, tar.gz, tar.zst or zip")
}

// tarFormats are the compressions of tar archives that are read.
var tarFormats = []compress.Format{compress.Gzip, compress.Zstd}

// tarLayer is the name of a tar archive, which may be compressed.
type tarLayer string

func (l tarLayer) each(visit func(m member, content io.Reader) error) (err error) {
	f, err := os.Open(string(l))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	stream, _, err := compress.NewReader(f, tarFormats...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	r := tar.NewReader(&bounded{stream, maxStream})
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		if err := visit(tarMember(h), r); err != nil {
			return err
		}
	}
}

// tarMember is the entry of a header.
func tarMember(h *tar.Header) member {
	m := member{name: h.Name, mode: h.FileInfo().Mode()}
	switch h.Typeflag {
	case tar.TypeLink:
		m.hard, m.mode = h.Linkname, m.mode.Perm()
	case tar.TypeSymlink:
		m.link = h.Linkname
	}
	return m
}

// bounded is a reader that fails where it has given all that it may.
type bounded struct {
	io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("it has more than %d bytes uncompressed", int64(maxStream))
	}
	return n, err
}

// zipLayer is the name of a zip archive.
type zipLayer string

func (l zipLayer) each(visit func(m member, content io.Reader) error) (err error) {
	z, err := zip.OpenReader(string(l))
	if err != nil {
		return fmt.Errorf("read archive: %w", err)
	}
	defer func() { err = errors.Join(err, z.Close()) }()
	for _, f := range z.File {
		if err := visitZip(f, visit); err != nil {
			return err
		}
	}
	return nil
}

func visitZip(f *zip.File, visit func(m member, content io.Reader) error) (err error) {
	m := member{name: f.Name, mode: f.Mode()}
	content, err := f.Open()
	if err != nil {
		return fmt.Errorf("read %s: %w", f.Name, err)
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	if m.mode.Type() == fs.ModeSymlink {
		target, err := io.ReadAll(io.LimitReader(content, 4096))
		if err != nil {
			return fmt.Errorf("read %s: %w", f.Name, err)
		}
		m.link = string(target)
	}
	return visit(m, content)
}
