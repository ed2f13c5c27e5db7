package ext4

const (
	entryHeader = 8
	tailSize    = 12
	dirSpace    = blockSize - tailSize // of a block of entries
	tailType    = 0xde
)

// diskEntry is struct ext4_dir_entry_2; the name follows.
// https://docs.kernel.org/filesystems/ext4/directory.html
type diskEntry struct {
	Inode    uint32
	RecLen   uint16
	NameLen  uint8
	FileType uint8
}

// entry is a name in a directory.
type entry struct {
	name     string
	inode    uint32
	fileType uint8
}

// recLen is the size of an entry on disk.
func (e entry) recLen() int { return (entryHeader + len(e.name) + 3) &^ 3 }

// directory holds the entries of a directory, without "." and "..".
type directory struct {
	parent  uint32
	entries []entry
}

// indexed reports whether the directory is an htree: whether it needs more than one block.
func (d *directory) indexed() bool {
	used := entry{name: "."}.recLen() + entry{name: ".."}.recLen()
	for _, e := range d.entries {
		used += e.recLen()
	}
	return used > dirSpace
}

// measure returns the size of the directory in bytes.
func (d *directory) measure(hashSeed [16]byte) (int64, error) {
	if !d.indexed() {
		return blockSize, nil
	}
	return treeSize(len(d.leaves(hashSeed)))
}

// directoryBlocks encodes the content of a directory.
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

// dots returns the entries that every directory begins with.
func (d *directory) dots(number uint32) []entry {
	const directory = 2
	return []entry{{".", number, directory}, {"..", d.parent, directory}}
}

// appendLeaf appends a block of entries. The last one takes all the space that is left; the checksum behind it has the
// form of an unused entry.
func appendLeaf(b []byte, entries []entry, seed uint32) []byte {
	start := len(b)
	if len(entries) == 0 {
		entries = []entry{{}}
	}
	for i, e := range entries {
		size := e.recLen()
		if i == len(entries)-1 {
			size = start + dirSpace - len(b)
		}
		b = appendEntry(b, e, size)
	}
	sum := crc32c(seed, b[start:])
	b = encode(b, &diskEntry{RecLen: tailSize, FileType: tailType})
	return le.AppendUint32(b, sum)
}

// appendEntry appends an entry of a size in bytes, padded with zeroes.
func appendEntry(b []byte, e entry, size int) []byte {
	end := len(b) + size
	b = encode(b, &diskEntry{e.inode, uint16(size), uint8(len(e.name)), e.fileType})
	b = append(b, e.name...)
	return append(b, make([]byte, end-len(b))...)
}
