package disk

import (
	"crypto/sha256"
	"hash"
	"io"
)

// sum is a sink that computes the SHA-256 of the whole disk, holes included.
type sum struct {
	hash.Hash
	zeroFilled
}

func newSum() *sum {
	h := sha256.New()
	return &sum{Hash: h, zeroFilled: zeroFilled{Writer: h}}
}

// zeroFilled is a sink that writes the whole disk to a stream, with zeroes for holes.
type zeroFilled struct {
	io.Writer
	at     int64
	zeroes []byte
}

// WriteAt implements io.WriterAt.
func (z *zeroFilled) WriteAt(b []byte, offset int64) (int, error) {
	if err := z.finish(offset); err != nil {
		return 0, err
	}
	n, err := z.Writer.Write(b)
	z.at += int64(n)
	return n, err
}

// finish writes zeroes up to an offset.
func (z *zeroFilled) finish(offset int64) error {
	if z.zeroes == nil {
		z.zeroes = make([]byte, 64<<10)
	}
	for z.at < offset {
		n, err := z.Writer.Write(z.zeroes[:min(offset-z.at, int64(len(z.zeroes)))])
		z.at += int64(n)
		if err != nil {
			return err
		}
	}
	return nil
}

// sparseFile is a sink that writes the disk to a file with holes.
type sparseFile struct{ *direct }

func (f *sparseFile) finish(size int64) error { return f.Truncate(size) }
