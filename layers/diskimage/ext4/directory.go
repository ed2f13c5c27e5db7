package ext4

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// dirEntry is a name in a directory.
type dirEntry struct {
	name  string
	inode uint32
}

// maxDirectory is the size of a directory at most, in bytes: far more than a device's disk has names.
const maxDirectory = 1 << 30

// entries are the names in a directory, but for "." and "..". Every block of one is a list of entries; the index of a
// large one hides in blocks that look as if nothing were in them.
func (i *inode) entries() ([]dirEntry, error) {
	if i.size() > maxDirectory {
		return nil, fmt.Errorf("directory of %d bytes", i.size())
	}
	c, err := i.content()
	if err != nil {
		return nil, err
	}
	var out []dirEntry
	block := make([]byte, i.fs.blockSize)
	for r := c.Reader(); ; {
		if _, err := io.ReadFull(r, block); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		if out, err = appendEntries(out, block); err != nil {
			return nil, err
		}
	}
}

// entrySize is that of an entry without its name.
const entrySize = 8

func appendEntries(out []dirEntry, block []byte) ([]dirEntry, error) {
	for len(block) > 0 {
		if len(block) < entrySize {
			return nil, errors.New("a directory block ends within an entry")
		}
		number, length, name := le.Uint32(block), int(le.Uint16(block[4:])), int(block[6])
		if length < entrySize || length > len(block) || entrySize+name > length {
			return nil, errors.New("a directory has an entry of impossible length")
		}
		e := dirEntry{string(block[entrySize : entrySize+name]), number}
		block = block[length:]
		if number == 0 || e.name == "." || e.name == ".." {
			continue
		}
		if e.name == "" || strings.ContainsAny(e.name, "/\x00") {
			return nil, fmt.Errorf("a directory has the impossible name %q", e.name)
		}
		out = append(out, e)
	}
	return out, nil
}
