package ext4

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// entries returns the names in a directory, without "." and "..". Every block is a list of entries; the index blocks of
// an htree look like ones without names.
func (in *volumeInode) entries() ([]entry, error) {
	if err := in.claim(int64(in.size())); err != nil {
		return nil, err
	}
	c, err := in.content()
	if err != nil {
		return nil, err
	}
	var entries []entry
	block := make([]byte, in.blockSize())
	for r := c.Reader(); ; {
		if _, err := io.ReadFull(r, block); errors.Is(err, io.EOF) {
			return entries, nil
		} else if err != nil {
			return nil, fmt.Errorf("read directory: %w", err)
		}
		if entries, err = appendEntries(entries, block); err != nil {
			return nil, err
		}
	}
}

// appendEntries appends the names in a directory block.
func appendEntries(to []entry, block []byte) ([]entry, error) {
	for size := len(block); len(block) > 0; {
		if len(block) < entryHeader {
			return nil, errors.New("directory block ends within an entry")
		}
		d := decode[diskEntry](block)
		length, end := int(d.RecLen), entryHeader+int(d.NameLen)
		if size == maxBlock && (length == 0 || length == maxBlock-1) { // 16 bits do not hold its size
			length = maxBlock
		}
		if length < end || length > len(block) {
			return nil, fmt.Errorf("directory entry has %d bytes and a name of %d, in a space of %d", length, d.NameLen, len(block))
		}
		e := entry{string(block[entryHeader:end]), d.Inode, d.FileType}
		block = block[length:]
		if e.inode == 0 || e.name == "." || e.name == ".." {
			continue
		}
		if e.name == "" || strings.ContainsAny(e.name, "/\x00") {
			return nil, fmt.Errorf("directory entry %q is not a file name", e.name)
		}
		to = append(to, e)
	}
	return to, nil
}
