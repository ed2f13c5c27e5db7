package transfer

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// source is a file to import.
type source interface {
	io.ReaderAt
	io.ReadSeeker
}

// File is a file to import whose index was read.
type File struct {
	Index   Index
	from    source
	members map[string]section
}

// section is where the content of a member lies.
type section struct{ at, size int64 }

// Read finds out what is in a file, without reading the contents: Verify does.
func Read(from source) (*File, error) {
	f := &File{from: from, members: map[string]section{}}
	order, err := f.scan()
	if err != nil {
		return nil, fmt.Errorf("read what is in the file: %w", err)
	}
	index, known := f.members[indexMember]
	if !known || order[len(order)-1] != indexMember {
		return nil, errors.New("this is no stage that was exported, or only its beginning: export it again")
	}
	if index.size > maxIndex {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", indexMember, index.size, maxIndex)
	}
	data, err := io.ReadAll(f.open(indexMember))
	if err != nil {
		return nil, err
	}
	if f.Index, err = parseIndex(data); err != nil {
		return nil, err
	}
	return f, f.agree(order[:len(order)-1])
}

// scan finds the members. What could lead elsewhere or stand for more than it is, is refused.
func (f *File) scan() (order []string, err error) {
	end, err := f.from.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if _, err := f.from.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	r := tar.NewReader(f.from)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return order, nil
		}
		if err != nil {
			return nil, err
		}
		at, err := f.from.Seek(0, io.SeekCurrent) // tar reads no further than it has to
		if err != nil {
			return nil, err
		}
		_, twice := f.members[h.Name]
		switch {
		case len(order) == maxMembers:
			return nil, fmt.Errorf("it has more than %d members", maxMembers)
		case h.Typeflag != tar.TypeReg || len(h.PAXRecords) > 0:
			return nil, fmt.Errorf("member %.100q is no plain file", h.Name)
		case twice:
			return nil, fmt.Errorf("member %.100q is there twice", h.Name)
		case h.Size > end-at:
			return nil, fmt.Errorf("it ends within %.100q: export or copy it again", h.Name)
		}
		f.members[h.Name] = section{at, h.Size}
		order = append(order, h.Name)
	}
}

// agree tells whether the members are those that the index lists.
func (f *File) agree(order []string) error {
	listed := make([]string, len(f.Index.Members))
	for n, m := range f.Index.Members {
		listed[n] = m.Name
		if s, known := f.members[m.Name]; known && s.size != m.Size {
			return fmt.Errorf("%s has %d bytes, and %s says %d", m.Name, s.size, indexMember, m.Size)
		}
	}
	if !slices.Equal(listed, order) {
		return fmt.Errorf("the file has other members than its %s says", indexMember)
	}
	return nil
}

func (f *File) open(name string) *io.SectionReader {
	s := f.members[name]
	return io.NewSectionReader(f.from, s.at, s.size)
}

// small reads a member that is small, and checks its digest.
func (f *File) small(name string, most int64) ([]byte, error) {
	m, known := f.Index.member(name)
	if !known {
		return nil, fmt.Errorf("%s is not in the file", name)
	}
	if m.Size > most {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", name, m.Size, most)
	}
	data, err := io.ReadAll(f.open(name))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, damaged(name, digest.FromBytes(data), m.Digest)
}

func damaged(name string, got, want digest.Digest) error {
	if got != want {
		return fmt.Errorf("%s is damaged: its SHA-256 is %s, not %s; copy or export the file again", name, got.Encoded(), want.Encoded())
	}
	return nil
}

// Bundle is what was found of a bundle that was verified.
type Bundle struct {
	Manifest []byte
	size     int64 // on a disk, in bytes, about
}

// Verify reads all of the file and checks every sum: those of the members, of the layers without compression, and of the
// files in the bundle.
func (f *File) Verify(ctx context.Context, say func(Event)) (b Bundle, err error) {
	var done, total int64
	for _, m := range f.Index.Members {
		total += m.Size
	}
	for _, m := range f.Index.Members {
		say(Event{Text: "verifying the file", Done: done, Total: total})
		done += m.Size
		if m.Name == bundleMember {
			b, err = f.verifyBundle(ctx)
		} else {
			err = f.verifyMember(ctx, m)
		}
		if err != nil {
			return b, err
		}
	}
	for _, i := range f.Index.Images {
		if err := f.verifyConfig(i); err != nil {
			return b, fmt.Errorf("image %s: %w", i.Names[0], err)
		}
	}
	return b, nil
}

func (f *File) verifyMember(ctx context.Context, m Member) error {
	for _, l := range f.Index.Layers {
		if l.Member == m.Name {
			return f.verifyLayer(ctx, l, m)
		}
	}
	h := digest.SHA256.Hash()
	if _, err := io.Copy(h, canceled{ctx, f.open(m.Name)}); err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	return damaged(m.Name, digest.NewDigest(digest.SHA256, h), m.Digest)
}

// verifyLayer reads no more of what is compressed than the index says.
func (f *File) verifyLayer(ctx context.Context, l Layer, m Member) error {
	stored, diff := digest.SHA256.Hash(), digest.SHA256.Hash()
	raw := io.TeeReader(canceled{ctx, f.open(m.Name)}, stored)
	content, end, err := opened(raw, l)
	if err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	n, err := io.Copy(diff, io.LimitReader(content, l.Size+1))
	end()
	if _, drained := io.Copy(io.Discard, raw); err == nil {
		err = drained
	}
	if err == nil {
		err = damaged(m.Name, digest.NewDigest(digest.SHA256, stored), m.Digest)
	}
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", m.Name, err)
	case n != l.Size:
		return fmt.Errorf("%s has not the %d bytes that %s says", m.Name, l.Size, indexMember)
	}
	return damaged(m.Name+" without compression", digest.NewDigest(digest.SHA256, diff), l.DiffID)
}

// opened is a layer without compression.
func opened(raw io.Reader, l Layer) (io.Reader, func(), error) {
	if l.Member == layerMember(l.DiffID, tarSuffix) {
		return raw, func() {}, nil
	}
	z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
	if err != nil {
		return nil, nil, err
	}
	return z, z.Close, nil
}

func (f *File) verifyBundle(ctx context.Context) (b Bundle, err error) {
	m, _ := f.Index.member(bundleMember) // the index has it
	if err := f.verifyMember(ctx, m); err != nil {
		return b, err
	}
	manifest, digests, size, err := lookAt(canceled{ctx, f.open(bundleMember)})
	if err != nil {
		return b, err
	}
	return Bundle{manifest, size}, damaged("the bundle", digest.FromBytes(digests), f.Index.Bundle)
}

// verifyConfig checks that an image is what the index says, if its configuration is there.
func (f *File) verifyConfig(i Needed) error {
	name := configMember(i.ID)
	if _, known := f.Index.member(name); !known {
		return nil
	}
	data, err := f.small(name, maxConfig)
	if err != nil {
		return err
	}
	var c imagespec.Image
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("parse %s: %w", name, err)
	}
	if got := c.OS + "/" + c.Architecture; got != f.Index.Platform {
		return fmt.Errorf("it is for %.60q, and %s says %q", got, indexMember, f.Index.Platform)
	}
	if !slices.Equal(c.RootFS.DiffIDs, i.Layers) {
		return fmt.Errorf("it has other layers than %s says", indexMember)
	}
	return nil
}

// canceled reads until its context ends.
type canceled struct {
	ctx context.Context
	io.Reader
}

func (c canceled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.Reader.Read(p)
}
