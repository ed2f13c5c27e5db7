package docker

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/gzip"
	"github.com/vbatts/tar-split/archive/tar"
	"github.com/vbatts/tar-split/tar/storage"

	"github.com/PlanktoScope/pkbuild/internal/ctxio"
)

// split writes the tar-split metadata of an archive. The library's package asm does the same, but takes twice as long, since it
// passes all data to another goroutine.
func split(ctx context.Context, archive io.ReaderAt, w io.Writer) error {
	zipped, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(ctxio.Reader(ctx, io.NewSectionReader(archive, 0, math.MaxInt64)), 1<<18)
	s := &splitter{in: in, tar: tar.NewReader(in), to: storage.NewJSONPacker(zipped), buffer: make([]byte, 1<<16)}
	s.tar.RawAccounting = true
	if err = s.entries(); err == nil {
		err = s.rest()
	}
	if errors.Is(err, storage.ErrDuplicatePath) {
		return errors.New("archive has a path twice, which Docker rejects")
	}
	if err != nil {
		return fmt.Errorf("read the archive of an image layer: %w", err)
	}
	return zipped.Close()
}

// splitter reads an archive and writes its tar-split metadata.
type splitter struct {
	in     io.Reader
	tar    *tar.Reader
	to     storage.Packer
	buffer []byte
}

// entries reads the archive up to its end marker.
func (s *splitter) entries() error {
	for {
		h, err := s.tar.Next()
		if errors.Is(err, io.EOF) {
			return s.segment(s.tar.RawBytes())
		}
		if err != nil {
			return err
		}
		if err := s.segment(s.tar.RawBytes()); err != nil {
			return err
		}
		if err := s.file(h); err != nil {
			return err
		}
		if err := s.segment(s.tar.RawBytes()); err != nil { // the map of a sparse file
			return err
		}
	}
}

// segment writes bytes literally.
func (s *splitter) segment(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := s.to.AddEntry(storage.Entry{Type: storage.SegmentType, Payload: b})
	return err
}

// file writes the position of a file's content and its checksum.
func (s *splitter) file(h *tar.Header) error {
	e := storage.Entry{Type: storage.FileType, Size: h.Size}
	e.SetName(h.Name)
	if h.Size > 0 {
		sum := crc(0)
		if _, err := io.CopyBuffer(&sum, onlyReader{s.tar}, s.buffer); err != nil {
			return err
		}
		e.Payload = binary.BigEndian.AppendUint64(nil, uint64(sum))
	}
	_, err := s.to.AddEntry(e)
	return err
}

// onlyReader hides the WriteTo method of a reader.
type onlyReader struct{ io.Reader }

// rest writes what follows the end marker, a buffer at a time, since its size is unlimited.
func (s *splitter) rest() error {
	for {
		n, err := io.ReadFull(s.in, s.buffer)
		if e := s.segment(s.buffer[:n]); e != nil {
			return e
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
