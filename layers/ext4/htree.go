package ext4

import (
	"cmp"
	"fmt"
	"slices"
)

const (
	treeInfo    = 24 // offset of struct dx_root_info
	rootEntries = 32 // offset of the index in the root
	nodeEntries = 8  // and in a node below it
	indexEntry  = 8
	indexTail   = 8
	rootLimit   = (blockSize - rootEntries - indexTail) / indexEntry
	nodeLimit   = (blockSize - nodeEntries - indexTail) / indexEntry
)

// leaf is a block of entries of an htree, of which hash is the lowest hash. It is odd where entries of the same hash are
// in the previous leaf.
type leaf struct {
	hash    uint32
	entries []entry
}

// leaves splits the entries into blocks in the order of their hashes.
func (d *directory) leaves(hashSeed [16]byte) []leaf {
	type hashed struct {
		entry
		hash uint32
	}
	all := make([]hashed, len(d.entries))
	for i, e := range d.entries {
		all[i] = hashed{e, halfMD4(e.name, hashSeed)}
	}
	slices.SortFunc(all, func(a, b hashed) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.name, b.name))
	})
	leaves := []leaf{{}}
	used := 0
	for i, e := range all {
		if used+e.recLen() > dirSpace {
			next := leaf{hash: e.hash}
			if all[i-1].hash == e.hash {
				next.hash |= 1
			}
			leaves = append(leaves, next)
			used = 0
		}
		used += e.recLen()
		last := &leaves[len(leaves)-1]
		last.entries = append(last.entries, e.entry)
	}
	return leaves
}

// treeNodes returns the number of index blocks between the root and a number of leaves.
func treeNodes(leaves int) int {
	if leaves <= rootLimit {
		return 0
	}
	return ceil(leaves, nodeLimit)
}

func treeSize(leaves int) (int64, error) {
	nodes := treeNodes(leaves)
	if nodes > rootLimit {
		return 0, fmt.Errorf("directory of %d blocks is larger than an htree of two levels", leaves)
	}
	return int64(1+nodes+leaves) * blockSize, nil
}

// indexed is an index entry: a block of the directory and its lowest hash.
type indexed struct {
	hash, block uint32
}

// tree encodes the directory as an htree: root, index blocks, leaves.
// https://docs.kernel.org/filesystems/ext4/directory.html#hash-tree-directories
func (d *directory) tree(number uint32, hashSeed [16]byte, seed uint32) []byte {
	leaves := d.leaves(hashSeed)
	nodes := treeNodes(len(leaves))
	index := make([]indexed, len(leaves))
	for i, l := range leaves {
		index[i] = indexed{l.hash, uint32(1 + nodes + i)}
	}
	var below []byte
	levels := uint8(0)
	if nodes > 0 {
		below, index = indexNodes(index, seed)
		levels = 1
	}
	b := append(d.indexRoot(number, index, levels, seed), below...)
	for _, l := range leaves {
		b = appendLeaf(b, l.entries, seed)
	}
	return b
}

// indexRoot encodes a block with struct dx_root.
func (d *directory) indexRoot(number uint32, index []indexed, levels uint8, seed uint32) []byte {
	b := make([]byte, 0, blockSize)
	dots := d.dots(number)
	b = appendEntry(b, dots[0], dots[0].recLen())
	b = appendEntry(b, dots[1], blockSize-len(b))[:treeInfo]
	b = append(b, 0, 0, 0, 0, hashHalfMD4, rootEntries-treeInfo, levels, 0)
	return appendIndex(b, index, rootLimit, seed)
}

// indexNodes encodes the blocks between the root and the leaves, and returns their own index.
func indexNodes(index []indexed, seed uint32) (b []byte, above []indexed) {
	for part := range slices.Chunk(index, nodeLimit) {
		above = append(above, indexed{part[0].hash, uint32(1 + len(above))})
		node := appendEntry(make([]byte, 0, blockSize), entry{}, blockSize)[:nodeEntries]
		b = append(b, appendIndex(node, part, nodeLimit, seed)...)
	}
	return b, above
}

// appendIndex fills the rest of a block with an index. Limit and count of entries take the place of the first hash,
// which the level above has.
func appendIndex(b []byte, index []indexed, limit int, seed uint32) []byte {
	for i, e := range index {
		if i == 0 {
			b = le.AppendUint16(b, uint16(limit))
			b = le.AppendUint16(b, uint16(len(index)))
		} else {
			b = le.AppendUint32(b, e.hash)
		}
		b = le.AppendUint32(b, e.block)
	}
	sum := crc32c(seed, b, make([]byte, indexTail))
	b = append(b, make([]byte, blockSize-4-len(b))...)
	return le.AppendUint32(b, sum)
}
