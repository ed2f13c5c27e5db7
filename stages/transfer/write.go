package transfer

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
)

// block is the block size of tar archives, in bytes.
const block = 512

// file is the file to which an archive is written.
type file interface {
	io.Writer
	io.Seeker
	io.WriterAt
	Truncate(size int64) error
}

// archive is a tar archive whose headers are written after the contents: the digest of a layer, which is its name, is known
// only after all of it was read, and an unwanted layer is dropped then. So no temporary copy is needed.
type archive struct {
	ctx     context.Context
	f       file
	at      int64 // offset of the next member
	members []Member
}

// content is a member that is being written.
type content struct {
	a    *archive
	hash hash.Hash
	size int64
}

// begin begins a member.
func (a *archive) begin() (*content, error) {
	if _, err := a.f.Seek(a.at+block, io.SeekStart); err != nil {
		return nil, err
	}
	return &content{a: a, hash: digest.SHA256.Hash()}, nil
}

func (c *content) Write(data []byte) (int, error) {
	if err := c.a.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.a.f.Write(data)
	c.hash.Write(data[:n])
	c.size += int64(n)
	return n, err
}

// end writes the header of the member.
func (c *content) end(name string) error {
	var header bytes.Buffer
	err := tar.NewWriter(&header).WriteHeader(&tar.Header{Name: name, Size: c.size, Mode: 0o644, Format: tar.FormatGNU})
	if err != nil {
		return err
	}
	if _, err := c.a.f.WriteAt(header.Bytes(), c.a.at); err != nil {
		return err
	}
	if _, err := c.a.f.Write(make([]byte, (block-c.size%block)%block)); err != nil {
		return err
	}
	c.a.members = append(c.a.members, Member{name, c.size, digest.NewDigest(digest.SHA256, c.hash)})
	c.a.at += block + (c.size+block-1)/block*block
	return nil
}

// drop removes the member.
func (c *content) drop() error { return c.a.f.Truncate(c.a.at) }

// add writes a complete member.
func (a *archive) add(name string, data []byte) error {
	c, err := a.begin()
	if err != nil {
		return err
	}
	if _, err := c.Write(data); err != nil {
		return err
	}
	return c.end(name)
}

func (a *archive) addJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return a.add(name, append(data, '\n'))
}

// finish writes the end of the archive.
func (a *archive) finish() error {
	if _, err := a.f.Seek(a.at, io.SeekStart); err != nil {
		return err
	}
	_, err := a.f.Write(make([]byte, 2*block))
	return err
}

// addLayer writes a layer if it is wanted, and removes it from wanted. Otherwise it returns the zero Layer.
func (a *archive) addLayer(from io.Reader, compress bool, wanted map[digest.Digest]bool) (Layer, error) {
	c, err := a.begin()
	if err != nil {
		return Layer{}, err
	}
	diff := digest.SHA256.Hash()
	size, suffix, err := int64(0), tarSuffix, error(nil)
	if compress {
		suffix = zstdSuffix
		size, err = compressed(c, io.TeeReader(from, diff))
	} else {
		size, err = io.Copy(c, io.TeeReader(from, diff))
	}
	if err != nil {
		return Layer{}, err
	}
	id := digest.NewDigest(digest.SHA256, diff)
	if !wanted[id] {
		return Layer{}, c.drop()
	}
	delete(wanted, id)
	l := Layer{DiffID: id, Size: size, Member: layerMember(id, suffix)}
	if err := c.end(l.Member); err != nil {
		return Layer{}, fmt.Errorf("write %s: %w", l.Member, err)
	}
	return l, nil
}

// window is the size of the zstd window, in bytes. Layers with a larger one are rejected.
const window = 8 << 20

func compressed(to io.Writer, from io.Reader) (int64, error) {
	z, err := zstd.NewWriter(to, zstd.WithWindowSize(window))
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(z, from)
	if err != nil {
		_ = z.Close() // the output is discarded
		return n, err
	}
	return n, z.Close()
}
