package initramfs

import (
	"encoding/binary"
	"fmt"
	"os"
	"time"
)

// superblock is what pkinit uses of an ext4 superblock. https://docs.kernel.org/filesystems/ext4/super.html
type superblock struct {
	faulty bool      // the kernel or e2fsck has marked the file system as one with errors
	errors uint32    // number of errors since the last check
	mounts uint16    // number of mounts since the last check
	newest time.Time // of the last write, the last mount and the making of the file system
}

// readSuperblock reads the superblock of a device; ok is false if it has no ext4.
func readSuperblock(device string) (s superblock, ok bool, err error) {
	f, err := os.Open(device)
	if err != nil {
		return s, false, err
	}
	defer f.Close()
	b := make([]byte, 1024)
	if _, err := f.ReadAt(b, 1024); err != nil {
		return s, false, fmt.Errorf("read superblock of %s: %w", device, err)
	}
	return parseSuperblock(b)
}

func parseSuperblock(b []byte) (s superblock, ok bool, err error) {
	const faulty = 2
	le := binary.LittleEndian
	if le.Uint16(b[56:]) != 0xef53 {
		return s, false, nil
	}
	s.mounts, s.faulty, s.errors = le.Uint16(b[52:]), le.Uint16(b[58:])&faulty != 0, le.Uint32(b[404:])
	for _, at := range []struct{ low, high int }{{44, 0x275}, {48, 0x274}, {264, 0x276}} { // mount, write, mkfs
		seconds := int64(le.Uint32(b[at.low:])) | int64(b[at.high])<<32
		if t := time.Unix(seconds, 0); t.After(s.newest) {
			s.newest = t
		}
	}
	return s, true, nil
}

// checkEvery is the number of mounts after which a file system is checked.
const checkEvery = 30

// due returns why the file system should be checked; "" if it need not be.
func (s superblock) due() string {
	switch {
	case s.faulty:
		return fmt.Sprintf("it is marked as faulty, with %d errors", s.errors)
	case s.errors > 0:
		return fmt.Sprintf("it had %d errors", s.errors)
	case s.mounts >= checkEvery:
		return fmt.Sprintf("it was mounted %d times since the last check", s.mounts)
	}
	return ""
}
