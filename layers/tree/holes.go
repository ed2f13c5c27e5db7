package tree

import (
	"errors"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// NextData returns the first range of data of a file that ends after an offset, in bytes. On a file system without holes the
// range is from the offset to math.MaxInt64. If only holes follow, start and end are math.MaxInt64.
func NextData(f *os.File, offset int64) (start, end int64, err error) {
	start, err = f.Seek(offset, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		return math.MaxInt64, math.MaxInt64, nil
	case errors.Is(err, unix.EINVAL):
		return offset, math.MaxInt64, nil
	case err != nil:
		return 0, 0, err
	}
	end, err = f.Seek(start, unix.SEEK_HOLE)
	return start, end, err
}
