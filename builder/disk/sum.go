package disk

import (
	"crypto/sha256"
	"hash"
	"io"
)

// sum is the SHA-256 of the whole disk, holes included.
type sum struct {
	hash.Hash
	at int64
}

func newSum() *sum { return &sum{Hash: sha256.New()} }

// WriteAt implements io.WriterAt.
func (s *sum) WriteAt(b []byte, offset int64) (int, error) {
	s.zeroes(offset - s.at)
	s.at = offset + int64(len(b))
	return s.Write(b)
}

func (s *sum) finish(size int64) error {
	s.zeroes(size - s.at)
	s.at = size
	return nil
}

// zeroes hashes a hole.
func (s *sum) zeroes(n int64) {
	var zero [64 << 10]byte
	for ; n > 0; n -= int64(len(zero)) {
		_, _ = s.Write(zero[:min(n, int64(len(zero)))])
	}
}

// sparseFile is the disk as a file with holes.
type sparseFile struct{ *direct }

func (f *sparseFile) finish(size int64) error { return f.Truncate(size) }

// summing is a writer that knows the SHA-256 of what went through it.
type summing struct {
	io.Writer
	hash.Hash
}

func (s summing) Write(b []byte) (int, error) {
	n, err := s.Writer.Write(b)
	_, _ = s.Hash.Write(b[:n])
	return n, err
}
