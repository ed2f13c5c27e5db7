package qemu

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"

	"golang.org/x/sys/unix"
)

// cardSize returns the size of the smallest SD card that QEMU's controller accepts for an image: a power of two.
func cardSize(image int64) int64 {
	if image <= 1 {
		return 1
	}
	return 1 << bits.Len64(uint64(image-1))
}

// copyCard copies an image to a new file of at least its size. Holes stay holes, and where the file system can share
// blocks, no data is copied.
func copyCard(image, card string, size int64) (err error) {
	from, err := os.Open(image)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(card, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if unix.IoctlFileClone(int(to.Fd()), int(from.Fd())) != nil {
		if err := copyData(to, from); err != nil {
			return fmt.Errorf("copy %s to %s: %w", image, card, err)
		}
	}
	info, err := from.Stat()
	if err != nil {
		return err
	}
	return to.Truncate(max(size, info.Size()))
}

// copyData copies the parts of a file that are not holes.
func copyData(to, from *os.File) error {
	for end := int64(0); ; {
		start, err := from.Seek(end, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // no data behind this offset
			return nil
		}
		if err != nil {
			return err
		}
		if end, err = from.Seek(start, unix.SEEK_HOLE); err != nil {
			return err
		}
		if _, err := to.Seek(start, io.SeekStart); err != nil {
			return err
		}
		if _, err := from.Seek(start, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(to, from, end-start); err != nil {
			return err
		}
	}
}
