package ext4

import "encoding/binary"

const (
	entryHeader = 8
	tailSize    = 12
	dirSpace    = blockSize - tailSize // of a block of entries
	tailType    = 0xde
)

// entry is a name in a directory.
type entry struct {
	name     string
	inode    uint32
	fileType uint8
}

// recLen is the room that an entry takes.
func (e entry) recLen() int { return (entryHeader + len(e.name) + 3) &^ 3 }

// directory is what a directory contains, apart from "." and "..".
type directory struct {
	parent  uint32
	entries []entry
}

// indexed tells whether the directory is an htree: whether it needs more than one block.
func (d *directory) indexed() bool {
	used := entry{name: "."}.recLen() + entry{name: ".."}.recLen()
	for _, e := range d.entries {
		used += e.recLen()
	}
	return used > dirSpace
}

// measure is the size of the directory in bytes.
func (d *directory) measure(hashSeed [16]byte) (int64, error) {
	if !d.indexed() {
		return blockSize, nil
	}
	return treeSize(len(d.leaves(hashSeed)))
}

// directoryBlocks are the blocks of a directory, one after the other.
// https://docs.kernel.org/filesystems/ext4/directory.html
func (p *plan) directoryBlocks(number uint32) []byte {
	in := p.inodes[number]
	seed := inodeSeed(p.seed, number)
	if in.dir.indexed() {
		return in.dir.tree(number, p.UUID, seed)
	}
	b := make([]byte, 0, in.size)
	b = appendLeaf(b, append(in.dir.dots(number), in.dir.entries...), seed)
	for int64(len(b)) < in.size {
		b = appendLeaf(b, nil, seed)
	}
	return b
}

// dots are the entries that every directory begins with.
func (d *directory) dots(number uint32) []entry {
	const directory = 2
	return []entry{{".", number, directory}, {"..", d.parent, directory}}
}

// appendLeaf appends a block of entries. The last one takes all the room that is left, and behind it lies what looks
// like an entry to those who do not know of the checksum that it holds.
func appendLeaf(b []byte, entries []entry, seed uint32) []byte {
	start := len(b)
	if len(entries) == 0 {
		entries = []entry{{}}
	}
	for i, e := range entries {
		room := e.recLen()
		if i == len(entries)-1 {
			room = start + dirSpace - len(b)
		}
		b = appendEntry(b, e, room)
	}
	sum := crc32c(seed, b[start:])
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint16(b, tailSize)
	b = append(b, 0, tailType)
	return binary.LittleEndian.AppendUint32(b, sum)
}

// appendEntry appends a struct ext4_dir_entry_2 that takes the room given.
func appendEntry(b []byte, e entry, room int) []byte {
	end := len(b) + room
	b = binary.LittleEndian.AppendUint32(b, e.inode)
	b = binary.LittleEndian.AppendUint16(b, uint16(room))
	b = append(b, uint8(len(e.name)), e.fileType)
	b = append(b, e.name...)
	return append(b, make([]byte, end-len(b))...)
}
