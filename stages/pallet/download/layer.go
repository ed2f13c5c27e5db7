package download

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/PlanktoScope/pkbuild/internal/compress"
)

// member is an entry of an archive.
type member struct {
	name string
	mode fs.FileMode // type and permissions
	link string      // target of a symlink
	hard string      // for a hard link: the name of the earlier member
}

// layer is an archive that can be read several times, always in the same order.
type layer interface {
	each(visit func(m member, content io.Reader) error) error
}

// maxStream is the largest size of an uncompressed archive, in bytes.
const maxStream = 16 << 30

// archiveLayer returns the archive in a file, whose format it detects.
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
	switch format := compress.Detect(start); {
	case format == compress.Zip:
		return zipLayer(name), nil
	case format == compress.Gzip || format == compress.Zstd:
		return tarLayer{name, format}, nil
	case n == 512 && (bytes.HasPrefix(start[257:], []byte("ustar")) || bytes.Count(start, []byte{0}) == 512):
		return tarLayer{name, compress.None}, nil
	}
	return nil, errors.New("not an archive: want tar, tar.gz, tar.zst or zip")
}

// tarLayer is a tar archive in a file.
type tarLayer struct {
	name   string
	format compress.Format
}

func (l tarLayer) each(visit func(m member, content io.Reader) error) (err error) {
	f, err := os.Open(l.name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	stream, err := l.format.NewReader(bufio.NewReader(f))
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

// tarMember returns the member that a header describes.
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

// bounded is a reader that fails after a number of bytes.
type bounded struct {
	io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("archive has more than the allowed %d bytes uncompressed", int64(maxStream))
	}
	return n, err
}

// zipLayer is the path of a zip archive.
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
