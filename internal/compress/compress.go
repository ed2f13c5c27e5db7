// Package compress recognizes compressed files by their first bytes and decompresses them. pkctl and pkbuild use it;
// pkinit must not, since it would grow by the decompressors.
package compress

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Format is a compression format by the name of its program, such as "gzip". None means uncompressed.
type Format string

// The formats that Detect knows.
const (
	None  Format = ""
	Gzip  Format = "gzip"
	Zstd  Format = "zstd"
	Xz    Format = "xz"
	Bzip2 Format = "bzip2"
	Zip   Format = "zip" // an archive rather than a compressed stream
)

// HeaderSize is the number of bytes that Detect needs at most.
const HeaderSize = 6

// Detect returns the compression format of content whose first bytes are header, or None.
func Detect(header []byte) Format {
	for _, f := range []struct {
		magic  string
		format Format
	}{
		{"\x1f\x8b", Gzip}, {"\x28\xb5\x2f\xfd", Zstd}, {"\xfd7zXZ\x00", Xz}, {"BZh", Bzip2},
		{"PK\x03\x04", Zip}, {"PK\x05\x06", Zip}, // the second is an empty archive
	} {
		if bytes.HasPrefix(header, []byte(f.magic)) {
			return f.format
		}
	}
	return None
}

// DetectAt returns the compression format of a file by its first bytes, or None, also for a file that is too short. It fails
// only if the file cannot be read.
func DetectAt(r io.ReaderAt) (Format, error) {
	header := make([]byte, HeaderSize)
	n, err := r.ReadAt(header, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return None, err
	}
	return Detect(header[:n]), nil
}

// Unpack returns the shell command that decompresses a file of this format in place, such as "gunzip". It returns "" for
// None and for formats that Detect does not know, such as lz4.
func (f Format) Unpack() string {
	return map[Format]string{Gzip: "gunzip", Zstd: "unzstd", Xz: "unxz", Bzip2: "bunzip2", Zip: "unzip"}[f]
}

// maxWindow is the largest distance to which a zstd stream may refer back, in bytes: that of zstd --long.
const maxWindow = 128 << 20

// NewReader detects the format of a stream and returns a reader of its decompressed content, and the format. It fails if the
// format is neither None nor allowed. Closing the reader does not close the stream.
func NewReader(r io.Reader, allowed ...Format) (io.ReadCloser, Format, error) {
	in := bufio.NewReaderSize(r, 1<<18)
	header, err := in.Peek(HeaderSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, None, err
	}
	format := Detect(header)
	if format != None && !slices.Contains(allowed, format) {
		return nil, format, fmt.Errorf("content is compressed with %s: want %s or none", format, join(allowed))
	}
	out, err := format.NewReader(in)
	return out, format, err
}

func join(formats []Format) string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = string(f)
	}
	return strings.Join(names, ", ")
}

// NewReader returns a reader of the decompressed content of a stream in this format. It fails for a format that this package
// cannot decompress, such as zip, and for a stream that does not begin like one of this format. Closing the reader does not
// close the stream.
func (f Format) NewReader(r io.Reader) (io.ReadCloser, error) {
	switch f {
	case None:
		return io.NopCloser(r), nil
	case Gzip:
		z, err := gzip.NewReader(r)
		return io.NopCloser(z), err // Close repeats the error of Read
	case Zstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case Xz:
		z, err := xz.NewReader(r)
		return io.NopCloser(z), err
	case Bzip2:
		return io.NopCloser(bzip2.NewReader(r)), nil
	}
	return nil, fmt.Errorf("decompress %s: not supported", f)
}
