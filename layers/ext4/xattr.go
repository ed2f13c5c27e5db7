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

// namespaces are the prefixes of names that ext4 stores as a number. Access control lists have no name behind it.
// https://docs.kernel.org/filesystems/ext4/attributes.html
var namespaces = []struct {
	prefix string
	index  uint8
}{
	{"system.posix_acl_access", 2}, {"system.posix_acl_default", 3}, {"user.", 1}, {"trusted.", 4}, {"security.", 6},
}

// namespacePrefix returns the prefix that a number stands for.
func namespacePrefix(index uint8) (prefix string, known bool) {
	for _, space := range namespaces {
		if space.index == index {
			return space.prefix, true
		}
	}
	return "", false
}

// attribute is an extended attribute.
type attribute struct {
	index uint8
	name  string // without the prefix that index stands for
	value string
	apart bool   // the value gets an inode of its own
	inode uint32 // of the value, if apart
}

// attributes are the extended attributes of an inode, in the order of the disk.
type attributes struct {
	inline, block []attribute
	at            uint64 // the number of the block
}

// newAttributes places each attribute: in the inode as long as there is space, then in a block. If both are full, the
// largest values get inodes of their own. It returns nil for an inode without attributes.
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
		return attribute{}, fmt.Errorf("extended attribute %s: value has %d bytes, at most %d are allowed", name, len(value), maxValue)
	}
	for _, space := range namespaces {
		rest, found := strings.CutPrefix(name, space.prefix)
		if !found || isACL(space.prefix) != (rest == "") {
			continue
		}
		if len(name) > maxXattrName || strings.ContainsRune(name, 0) {
			return attribute{}, fmt.Errorf("extended attribute %.40q: name is longer than %d bytes or has a NUL",
				name, maxXattrName)
		}
		if isACL(space.prefix) {
			var err error
			if value, err = diskACL(value); err != nil {
				return attribute{}, fmt.Errorf("extended attribute %s: %w", name, err)
			}
		}
		return attribute{index: space.index, name: rest, value: value}, nil
	}
	return attribute{}, fmt.Errorf("extended attribute %.40q: ext4 cannot store this name", name)
}

// place returns nil if there is not enough space.
func place(all []attribute) *attributes {
	p := &attributes{}
	inline, block := inlineSpace-attrEnd, blockSpace-attrEnd
	for _, a := range all {
		switch need := a.entrySize() + a.valueSize(); {
		case need <= inline && !a.apart: // without a block, e2fsck takes a symlink with a value apart for a slow one
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

// largestValue returns the attribute with the largest value that is not apart yet, or nil.
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

// ownBlocks returns the number of blocks that count as the inode's: the block of attributes and those of values apart.
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

// entrySize is the space of the entry with its name, in bytes.
func (a *attribute) entrySize() int { return attrHeader + ceil(len(a.name), 4)*4 }

// valueSize is the space of the value in the inode or block, in bytes.
func (a *attribute) valueSize() int {
	if a.apart {
		return 0
	}
	return ceil(len(a.value), 4) * 4
}
