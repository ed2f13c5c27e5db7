package transfer

import (
	"fmt"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// Space is what a file system tells of itself.
type Space struct {
	ID   uint64 // tells file systems apart
	Free int64  // bytes that can be written
	FAT  bool   // a file is smaller than 4 GiB
}

// maxFAT is the size of the largest file of FAT, in bytes.
const maxFAT = 4<<30 - 1

// Statfs is the space of the file system that a path lies on.
func Statfs(path string) (Space, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return Space{}, fmt.Errorf("ask for the space in %s: %w", path, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Space{}, fmt.Errorf("ask for the space in %s: %w", path, err)
	}
	return Space{ID: uint64(st.Dev), Free: int64(fs.Bavail) * fs.Bsize, FAT: fs.Type == unix.MSDOS_SUPER_MAGIC}, nil
}

// need is how much is to be written to a place.
type need struct {
	path string
	size int64
}

// enough refuses to write what does not fit. Places on one file system share its space.
func enough(space func(path string) (Space, error), needs ...need) error {
	sizes := map[uint64]int64{}
	for _, n := range needs {
		s, err := space(n.path)
		if err != nil {
			return err
		}
		sizes[s.ID] += n.size
		if sizes[s.ID] > s.Free {
			return fmt.Errorf("%s has too little space: %s are needed, %s are free", n.path, bytesText(sizes[s.ID]), bytesText(s.Free))
		}
	}
	return nil
}

func bytesText(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }
