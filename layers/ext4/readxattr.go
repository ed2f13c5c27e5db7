package ext4

import (
	"errors"
	"fmt"
)

var errXattrs = errors.New("extended attributes are damaged")

// xattrs returns the extended attributes of an inode: some lie behind its fields, the others in a block of their own.
func (in *volumeInode) xattrs() (map[string]string, error) {
	xattrs := map[string]string{}
	at := minInodeSize + int(in.ExtraIsize)
	if in.ExtraIsize > 0 && at+4 <= int(in.InodeSize) && le.Uint32(in.raw[at:]) == xattrMagic {
		inline := in.raw[at+4 : in.InodeSize]
		if err := in.addXattrs(xattrs, inline, inline); err != nil {
			return nil, err
		}
	}
	if number := join(in.FileACLLo, in.FileACLHi); number != 0 {
		block, err := in.block(number)
		if err != nil {
			return nil, fmt.Errorf("extended attributes: %w", err)
		}
		if le.Uint32(block) != xattrMagic {
			return nil, fmt.Errorf("block %d has no extended attributes", number)
		}
		if err := in.addXattrs(xattrs, block[blockHeader:], block); err != nil {
			return nil, err
		}
	}
	if len(xattrs) == 0 {
		return nil, nil
	}
	return xattrs, nil
}

// addXattrs adds a list of attributes, whose values lie at offsets in values.
func (in *volumeInode) addXattrs(to map[string]string, list, values []byte) error {
	for len(list) >= attrHeader && le.Uint32(list) != 0 {
		e := decode[xattrEntry](list)
		end := attrHeader + int(e.NameLen)
		if end > len(list) {
			return errXattrs
		}
		prefix, known := namespacePrefix(e.NameIndex)
		if !known {
			return fmt.Errorf("extended attribute in namespace %d is not supported", e.NameIndex)
		}
		name := prefix + string(list[attrHeader:end])
		value, err := in.xattrValue(e, values)
		if err == nil && isACL(prefix) {
			value, err = systemACL(value)
		}
		if err != nil {
			return fmt.Errorf("extended attribute %s: %w", name, err)
		}
		to[name] = value
		list = list[min(len(list), ceil(end, 4)*4):]
	}
	return nil
}

// xattrValue returns a value that lies among others or in an inode of its own, which several attributes may share.
func (in *volumeInode) xattrValue(e xattrEntry, values []byte) (string, error) {
	if e.ValueSize > maxValue {
		return "", fmt.Errorf("value has %d bytes, at most %d are allowed", e.ValueSize, maxValue)
	}
	if value, known := in.values[e.ValueInum]; known {
		return value, nil
	}
	if e.ValueInum == 0 {
		from, to := int(e.ValueOffs), int(e.ValueOffs)+int(e.ValueSize)
		if to > len(values) {
			return "", errXattrs
		}
		return string(values[from:to]), in.claim(int64(to - from))
	}
	holder, err := in.inode(e.ValueInum)
	if err != nil {
		return "", err
	}
	if holder.size() != uint64(e.ValueSize) {
		return "", errXattrs
	}
	value, err := holder.readAll()
	if err == nil {
		in.values[e.ValueInum] = string(value)
	}
	return string(value), err
}
