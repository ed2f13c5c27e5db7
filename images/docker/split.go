package docker

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/vbatts/tar-split/archive/tar"
	"github.com/vbatts/tar-split/tar/storage"
)

// split writes what an archive is besides its contents. It is what the library's asm does, which hands all that it reads
// to another goroutine, and so takes twice as long.
func split(ctx context.Context, archive io.ReaderAt, w io.Writer) error {
	zipped, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(&reader{ctx: ctx, from: archive}, 1<<18)
	s := &splitter{in: in, tar: tar.NewReader(in), to: storage.NewJSONPacker(zipped), buffer: make([]byte, 1<<16)}
	s.tar.RawAccounting = true
	if err = s.entries(); err == nil {
		err = s.rest()
	}
	if errors.Is(err, storage.ErrDuplicatePath) {
		return errors.New("its archive has a path twice, which Docker refuses")
	}
	if err != nil {
		return fmt.Errorf("split the archive: %w", err)
	}
	return zipped.Close()
}

// splitter takes an archive apart.
type splitter struct {
	in     io.Reader
	tar    *tar.Reader
	to     storage.Packer
	buffer []byte
}

// entries goes through the archive up to its end, as tar knows it.
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
		if err := s.segment(s.tar.RawBytes()); err != nil { // what of a sparse file is no content
			return err
		}
	}
}

// segment puts bytes down as they are.
func (s *splitter) segment(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := s.to.AddEntry(storage.Entry{Type: storage.SegmentType, Payload: b})
	return err
}

// file puts down where a content was, and its checksum.
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

// onlyReader hides that a reader would rather write by itself.
type onlyReader struct{ io.Reader }

// rest puts down what follows the end, a buffer at a time, as nobody says how much it is.
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
