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

// Blobs is a directory of files by SHA-256, which several builds may share, in one process and in several. A file has
// its name only when it is complete, was found to have that digest, and is on the disk; until then it has the name with
// ".part", from which who fetches it next goes on.
//
// Layers lie there without compression, which is what an image is written from. A compressed one is removed once its
// archive is there: the manifest names the configuration by digest, and that the archive, so that all remains provable.
// Until then it may be in memory alone: one that a crash left short is found out, and fetched again.
type Blobs struct {
	Dir    string // it is made where it is missing
	Shared string // of somebody else, where blobs are found that Dir lacks; nothing is written to it. Empty: none
	// turns are of those who uncompress: while some wait for the network or the disk, others keep the processors busy, and
	// not all finish at once. nil: everybody's turn is now.
	turns chan struct{}
}

// In is the part of a build's cache that holds blobs, over that of a cache of somebody else, unless that is empty.
func In(cache, shared string) Blobs {
	b := Blobs{Dir: filepath.Join(cache, "blobs"), turns: make(chan struct{}, runtime.GOMAXPROCS(0))}
	if shared != "" {
		b.Shared = filepath.Join(shared, "blobs")
	}
	return b
}

// turn waits for one. It ends with done.
func (b Blobs) turn(ctx context.Context) (done func(), err error) {
	if b.turns == nil {
		return func() {}, nil
	}
	select {
	case b.turns <- struct{}{}:
		return func() { <-b.turns }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Path is where the blob of a digest lies that Dir has, or would lie.
func (b Blobs) Path(d digest.Digest) string { return filepath.Join(b.Dir, d.Encoded()) }

// found is where a blob lies: in Dir, or, where it is missing there, in Shared.
func (b Blobs) found(d digest.Digest) string {
	name := b.Path(d)
	if b.Shared == "" {
		return name
	}
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return filepath.Join(b.Shared, d.Encoded())
	}
	return name
}

// Open opens a blob; the error is fs.ErrNotExist where it is not there.
func (b Blobs) Open(d digest.Digest) (*os.File, error) {
	if err := Valid(d); err != nil {
		return nil, err
	}
	return os.Open(b.found(d))
}

// Has tells whether a blob is there.
func (b Blobs) Has(d digest.Digest) bool {
	if Valid(d) != nil {
		return false
	}
	_, err := os.Stat(b.found(d))
	return err == nil
}

// Put has a blob written unless it is there. Of several builds that want it one writes it and the others wait. fill may
// find the beginning of it there; what it leaves when it fails is kept for the next, unless the disk is full.
func (b Blobs) Put(ctx context.Context, d digest.Digest, fill func(*Partial) error) error {
	return b.put(ctx, d, fill, true)
}

// put is Put, also of a blob that need not last, and gets its name while it may be in memory alone.
func (b Blobs) put(ctx context.Context, d digest.Digest, fill func(*Partial) error, lasting bool) error {
	if err := Valid(d); err != nil || b.Has(d) {
		return err
	}
	produce := atomicfile.Produce
	if !lasting {
		produce = atomicfile.ProduceUnsynced
	}
	return produce(ctx, b.Path(d), func(f *os.File) error {
		p, err := newPartial(f, d, lasting)
		if err == nil {
			err = fill(p)
		}
		if errors.Is(err, syscall.ENOSPC) {
			return errors.Join(fmt.Errorf("write to %s: %w; make room, or run pkbuild cache prune", b.Dir, err), f.Truncate(0))
		}
		if err != nil {
			return err
		}
		return p.Verify()
	})
}

// PutBytes stores a small blob, such as a manifest.
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

// Bytes reads a small blob, such as a manifest, and checks it again.
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
		return nil, fmt.Errorf("%s is not what its name says: remove it", f.Name())
	}
	return data, nil
}

// Valid tells whether a digest is one of SHA-256, the only ones that Docker's store knows.
func Valid(d digest.Digest) error {
	if err := d.Validate(); err != nil || d.Algorithm() != digest.SHA256 {
		return fmt.Errorf("%.100q is no digest of SHA-256", string(d))
	}
	return nil
}

// MismatchError is content that has another digest than it should.
type MismatchError struct {
	Got, Want digest.Digest
	Size      int64 // of what there is, in bytes
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("its content (%d bytes) has the digest %s, not %s", e.Size, e.Got, e.Want)
}

// Partial is a blob that is being written, and hashed on the way.
type Partial struct {
	f    *os.File
	to   io.WriterAt // f, or what has the kernel begin early to make it last
	want digest.Digest
	hash hash.Hash
	size int64
}

// newPartial goes on at the end of a file.
func newPartial(f *os.File, want digest.Digest, lasting bool) (*Partial, error) {
	p := &Partial{f: f, to: f, want: want, hash: digest.SHA256.Hash()}
	if lasting {
		p.to = &atomicfile.Writeback{File: f}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	n, err := io.Copy(p.hash, f)
	p.size = n
	return p, err
}

// Size is how many bytes are there.
func (p *Partial) Size() int64 { return p.size }

// Write appends to the blob.
func (p *Partial) Write(data []byte) (int, error) {
	n, err := p.to.WriteAt(data, p.size)
	p.hash.Write(data[:n])
	p.size += int64(n)
	return n, err
}

// Reset begins anew.
func (p *Partial) Reset() error {
	if p.size == 0 {
		return nil
	}
	p.hash.Reset()
	p.size = 0
	return p.f.Truncate(0)
}

// Verify tells whether what is there is the blob. Where it is not the error is a MismatchError, and the blob begins anew.
func (p *Partial) Verify() error {
	if got := digest.NewDigest(digest.SHA256, p.hash); got != p.want {
		return errors.Join(&MismatchError{Got: got, Want: p.want, Size: p.size}, p.Reset())
	}
	return nil
}

// remove removes a blob, which may be gone.
func (b Blobs) remove(d digest.Digest) error {
	err := os.Remove(b.Path(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
