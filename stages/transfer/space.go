package transfer

import (
	"fmt"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// Space is the free space in bytes of a file system, its ID, and whether it is FAT.
type Space struct {
	ID    uint64 // of the file system
	Free  int64  // in bytes
	Total int64  // in bytes
	FAT   bool   // files are smaller than 4 GiB
}

// maxFAT is the largest size of a file on FAT, in bytes.
const maxFAT = 4<<30 - 1

// Statfs returns the free space of the file system that contains a path.
func Statfs(path string) (Space, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return Space{}, fmt.Errorf("get the free space of %s: %w", path, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Space{}, fmt.Errorf("get the free space of %s: %w", path, err)
	}
	return Space{ID: uint64(st.Dev), Free: int64(fs.Bavail) * fs.Bsize, Total: int64(fs.Blocks) * fs.Bsize, FAT: fs.Type == unix.MSDOS_SUPER_MAGIC}, nil
}

// need is how many bytes will be written to a path.
type need struct {
	path string
	size int64
}

// checkFree returns an error if needs do not fit. Needs on the same file system add up.
func checkFree(space func(path string) (Space, error), needs ...need) error {
	sizes := map[uint64]int64{}
	for _, n := range needs {
		s, err := space(n.path)
		if err != nil {
			return err
		}
		sizes[s.ID] += n.size
		if sizes[s.ID] > s.Free {
			return fmt.Errorf("too little space in %s: %s needed, %s free", n.path, bytesText(sizes[s.ID]), bytesText(s.Free))
		}
	}
	return nil
}

func bytesText(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }
