package images

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/opencontainers/go-digest"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
)

// Blobs is a blob store: a directory of files named by their SHA-256, which several processes may share. A file has its
// name only when it is complete, verified and synced. Until then ".part" is appended to the name, and a later download
// resumes there.
//
// Layers are stored uncompressed, since images are written from them. The compressed blob of a layer is unsynced, and
// removed once the archive is stored: the manifest contains the digest of the configuration, and that the digest of the
// archive. A blob that a power cut truncated is detected when it is decompressed, and downloaded again.
type Blobs struct {
	Dir    string // created if it does not exist
	Shared string // a read-only directory with blobs that Dir may lack; empty: none
	// decompressors limits concurrent decompressions, so that they end one after the other while other layers are downloaded
	// and synced; nil: no limit.
	decompressors chan struct{}
	noSpaceHint   string // of the error for a full disk
}

// In returns the blob store of a build cache, the directory "blobs" below it. Blobs that it lacks are read from that of
// the shared cache, unless shared is empty.
func In(cache, shared string) Blobs {
	b := Blobs{
		Dir: filepath.Join(cache, "blobs"), decompressors: make(chan struct{}, runtime.GOMAXPROCS(0)),
		noSpaceHint: ", or run pkbuild cache prune",
	}
	if shared != "" {
		b.Shared = filepath.Join(shared, "blobs")
	}
	return b
}

// waitForDecompressor waits until another decompression may begin. The caller must call done after it.
func (b Blobs) waitForDecompressor(ctx context.Context) (done func(), err error) {
	if b.decompressors == nil {
		return func() {}, nil
	}
	select {
	case b.decompressors <- struct{}{}:
		return func() { <-b.decompressors }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Path returns the path that a blob has in Dir, whether it exists or not; it does not look into Shared.
func (b Blobs) Path(d digest.Digest) string { return filepath.Join(b.Dir, d.Encoded()) }

// find returns the path of a blob: in Shared if only that has it, else in Dir.
func (b Blobs) find(d digest.Digest) string {
	name := b.Path(d)
	if b.Shared == "" {
		return name
	}
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return filepath.Join(b.Shared, d.Encoded())
	}
	return name
}

// Open opens a blob. It returns fs.ErrNotExist if the store does not have it.
func (b Blobs) Open(d digest.Digest) (*os.File, error) {
	if err := Valid(d); err != nil {
		return nil, err
	}
	return os.Open(b.find(d))
}

// Has reports whether Dir or Shared has a blob. It returns false for a digest that is not a SHA-256 digest.
func (b Blobs) Has(d digest.Digest) bool {
	if Valid(d) != nil {
		return false
	}
	_, err := os.Stat(b.find(d))
	return err == nil
}

// Put stores a blob in Dir, durably, unless the store has it: fill writes it, and Put verifies and syncs it. Of several
// processes one fills the blob and the others wait. The Partial may hold the beginning of the blob from an earlier failed
// fill; it is kept when fill fails, unless the disk is full.
func (b Blobs) Put(ctx context.Context, d digest.Digest, fill func(*Partial) error) error {
	return b.put(ctx, d, fill, true)
}

// put is Put; synced is false for a blob that a power cut may truncate.
func (b Blobs) put(ctx context.Context, d digest.Digest, fill func(*Partial) error, synced bool) error {
	if err := Valid(d); err != nil || b.Has(d) {
		return err
	}
	produce := atomicfile.Produce
	if !synced {
		produce = atomicfile.ProduceUnsynced
	}
	return produce(ctx, b.Path(d), func(f *os.File) error {
		p, err := newPartial(f, d, synced)
		if err == nil {
			err = fill(p)
		}
		if errors.Is(err, syscall.ENOSPC) {
			return errors.Join(fmt.Errorf("write to %s: %w; free some space%s", b.Dir, err, b.noSpaceHint), f.Truncate(0))
		}
		if err != nil {
			return err
		}
		return p.Verify()
	})
}

// PutBytes stores a small blob, such as a manifest, as Put does, and returns its digest.
func (b Blobs) PutBytes(ctx context.Context, data []byte) (digest.Digest, error) {
	d := digest.FromBytes(data)
	return d, b.Put(ctx, d, func(p *Partial) error {
		if err := p.Reset(); err != nil {
			return err
		}
		_, err := p.Write(data)
		return err
	})
}

// MaxMetadata is the largest size of a manifest, an index or a configuration, in bytes, as registries have it.
const MaxMetadata = 4 << 20

// Bytes returns the verified content of a small blob, such as a manifest. It returns fs.ErrNotExist if the store does not
// have the blob, and fails if the content does not match the digest.
func (b Blobs) Bytes(d digest.Digest) ([]byte, error) {
	f, err := b.Open(d)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxMetadata+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if digest.FromBytes(data) != d {
		return nil, fmt.Errorf("verify %s: content does not have the digest in its name; remove it", f.Name())
	}
	return data, nil
}

// Valid returns an error unless d is a SHA-256 digest, the only kind that Docker's store has.
func Valid(d digest.Digest) error {
	if err := d.Validate(); err != nil || d.Algorithm() != digest.SHA256 {
		return fmt.Errorf("%.100q is not a SHA-256 digest", string(d))
	}
	return nil
}

// MismatchError is the error for a blob whose digest differs from the expected one.
type MismatchError struct {
	Got, Want digest.Digest
	Size      int64 // of the content, in bytes
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("content (%d bytes) has the digest %s, want %s", e.Size, e.Got, e.Want)
}

// Partial is a file of a blob store that is still being written, and the hash of its content so far.
type Partial struct {
	f    *os.File
	to   io.WriterAt // f, or an atomicfile.Writeback of it
	want digest.Digest
	hash hash.Hash
	size int64
}

// newPartial returns the blob in a file, which may hold its beginning.
func newPartial(f *os.File, want digest.Digest, synced bool) (*Partial, error) {
	p := &Partial{f: f, to: f, want: want, hash: digest.SHA256.Hash()}
	if synced {
		p.to = &atomicfile.Writeback{File: f}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	n, err := io.Copy(p.hash, f)
	p.size = n
	return p, err
}

// Size returns the size in bytes of what was written to the blob so far.
func (p *Partial) Size() int64 { return p.size }

// Write appends data to the blob.
func (p *Partial) Write(data []byte) (int, error) {
	n, err := p.to.WriteAt(data, p.size)
	p.hash.Write(data[:n])
	p.size += int64(n)
	return n, err
}

// Reset discards what was written to the blob so far.
func (p *Partial) Reset() error {
	if p.size == 0 {
		return nil
	}
	p.hash.Reset()
	p.size = 0
	return p.f.Truncate(0)
}

// Verify compares the digest of what was written with the expected one. If they differ, it discards what was written and
// returns a MismatchError.
func (p *Partial) Verify() error {
	if got := digest.NewDigest(digest.SHA256, p.hash); got != p.want {
		return errors.Join(&MismatchError{Got: got, Want: p.want, Size: p.size}, p.Reset())
	}
	return nil
}

// remove removes a blob, which may not exist.
func (b Blobs) remove(d digest.Digest) error {
	err := os.Remove(b.Path(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
