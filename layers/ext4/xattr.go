package ext4

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	maxValue     = 65536 // the kernel's XATTR_SIZE_MAX
	maxXattrName = 255   // its XATTR_NAME_MAX, of the full name
	inlineXattrs = inodeSize - 128 - extraSize
	attrHeader   = 16
	inlineSpace  = inlineXattrs - 4 // the magic number
	blockHeader  = 32
	blockSpace   = blockSize - blockHeader
	attrEnd      = 4 // zeroes behind the last entry
)

// namespaces are the prefixes of names that ext4 stores as a number. Longer ones come first.
// https://docs.kernel.org/filesystems/ext4/attributes.html
var namespaces = []struct {
	prefix string
	index  uint8
}{
	{"system.posix_acl_access", 2}, {"system.posix_acl_default", 3}, {"user.", 1}, {"trusted.", 4}, {"security.", 6},
}

// attribute is an extended attribute as ext4 has it.
type attribute struct {
	index uint8
	name  string // without the prefix that index stands for
	value string
	inode uint32 // the inode that holds the value; zero: the value lies beside the name
	apart bool   // the value is to have an inode of its own
}

// attributes are those of one inode, in the order of the disk.
type attributes struct {
	inline, block []attribute
	at            uint64 // the block
}

// newAttributes decides where each attribute goes: into the inode as long as there is room, then into a block. When
// that is full, the largest values are moved out into inodes of their own.
func newAttributes(xattrs map[string]string) (*attributes, error) {
	if len(xattrs) == 0 {
		return nil, nil
	}
	all := make([]attribute, 0, len(xattrs))
	for name, value := range xattrs {
		a, err := newAttribute(name, value)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b attribute) int {
		return cmp.Or(cmp.Compare(a.index, b.index), cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name))
	})
	for {
		if placed := place(all); placed != nil {
			return placed, nil
		}
		largest := largestValue(all)
		if largest == nil {
			return nil, errors.New("extended attributes do not fit into an inode and a block")
		}
		largest.apart = true
	}
}

func newAttribute(name, value string) (attribute, error) {
	if len(value) > maxValue {
		return attribute{}, fmt.Errorf("extended attribute %s: %d bytes are more than %d", name, len(value), maxValue)
	}
	for _, space := range namespaces {
		rest, found := strings.CutPrefix(name, space.prefix)
		isACL := !strings.HasSuffix(space.prefix, ".")
		if !found || isACL != (rest == "") {
			continue
		}
		if len(name) > maxXattrName || strings.ContainsRune(name, 0) {
			return attribute{}, fmt.Errorf("extended attribute %.40q: the name is longer than %d bytes or has a NUL",
				name, maxXattrName)
		}
		if isACL {
			var err error
			if value, err = diskACL(value); err != nil {
				return attribute{}, fmt.Errorf("extended attribute %s: %w", name, err)
			}
		}
		return attribute{index: space.index, name: rest, value: value}, nil
	}
	return attribute{}, fmt.Errorf("extended attribute %.40q: ext4 has no place for such a name", name)
}

// place is nil if there is no room for all.
func place(all []attribute) *attributes {
	p := &attributes{}
	inline, block := inlineSpace-attrEnd, blockSpace-attrEnd
	for _, a := range all {
		switch need := a.entrySize() + a.valueSize(); {
		case need <= inline && !a.apart: // e2fsck takes a symlink with such a value, but no block, for a long one
			inline -= need
			p.inline = append(p.inline, a)
		case need <= block:
			block -= need
			p.block = append(p.block, a)
		default:
			return nil
		}
	}
	return p
}

// largestValue is the attribute with the largest value that lies beside its name.
func largestValue(all []attribute) *attribute {
	var largest *attribute
	for i := range all {
		a := &all[i]
		if !a.apart && len(a.value) > 0 && (largest == nil || len(a.value) > len(largest.value)) {
			largest = a
		}
	}
	return largest
}

// ownBlocks is the number of blocks that the inode answers for: the one of its attributes, and those of values that
// lie in inodes of their own.
func (a *attributes) ownBlocks() uint64 {
	blocks := uint64(0)
	if len(a.block) > 0 {
		blocks++
	}
	for _, attr := range a.block {
		if attr.apart {
			blocks += uint64(ceil(len(attr.value), blockSize))
		}
	}
	return blocks
}

// entrySize is the room for the name.
func (a *attribute) entrySize() int { return attrHeader + ceil(len(a.name), 4)*4 }

// valueSize is the room for the value, where it lies beside the name.
func (a *attribute) valueSize() int {
	if a.apart {
		return 0
	}
	return ceil(len(a.value), 4) * 4
}
