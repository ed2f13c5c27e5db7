package ext4

import (
	"errors"
	"fmt"
	"io"
)

const (
	xattrMagic  = 0xea020000
	xattrHeader = 32 // of a block with attributes
	xattrEntry  = 16 // without the name
	maxXattr    = 1 << 16
)

// namespaces are the beginnings of names that are stored as a number.
var namespaces = map[uint8]string{
	1: "user.", 2: aclAccess, 3: aclDefault, 4: "trusted.", 6: "security.", 7: "system.", 8: "system.richacl",
}

// xattrs are the inode's extended attributes: some lie behind its fields, the others in a block of their own.
func (i *inode) xattrs() (map[string]string, error) {
	out := map[string]string{}
	if at := 128 + i.extra(); i.extra() > 0 && at+4 <= len(i.raw) && i.u32(at) == xattrMagic {
		if err := i.attributes(out, i.raw[at+4:], i.raw[at+4:]); err != nil {
			return nil, err
		}
	}
	if number := uint64(i.u32(0x68)) | uint64(i.u16(0x76))<<32; number != 0 {
		block, err := i.fs.block(number)
		if err != nil {
			return nil, fmt.Errorf("extended attributes: %w", err)
		}
		if le.Uint32(block) != xattrMagic {
			return nil, fmt.Errorf("block %d holds no extended attributes", number)
		}
		if err := i.attributes(out, block[xattrHeader:], block); err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

var errXattrs = errors.New("its extended attributes are broken")

// attributes reads a list of entries. Their values lie at offsets into values.
func (i *inode) attributes(out map[string]string, entries, values []byte) error {
	for len(entries) >= xattrEntry && le.Uint32(entries) != 0 {
		length, space := int(entries[0]), entries[1]
		prefix, ok := namespaces[space]
		if xattrEntry+length > len(entries) {
			return errXattrs
		}
		if !ok {
			return fmt.Errorf("extended attribute in the unknown name space %d", space)
		}
		name := prefix + string(entries[xattrEntry:xattrEntry+length])
		value, err := i.value(entries, values)
		if err == nil && (name == aclAccess || name == aclDefault) {
			value, err = aclValue(value)
		}
		if err != nil {
			return fmt.Errorf("extended attribute %s: %w", name, err)
		}
		out[name] = value
		entries = entries[min(len(entries), (xattrEntry+length+3)&^3):]
	}
	return nil
}

// value is that of the first of some entries: among the values, or in an inode of its own.
func (i *inode) value(entry, values []byte) (string, error) {
	offset, number, size := int(le.Uint16(entry[2:])), le.Uint32(entry[4:]), int(le.Uint32(entry[8:]))
	if size > maxXattr {
		return "", errXattrs
	}
	if number == 0 {
		if offset+size > len(values) {
			return "", errXattrs
		}
		return string(values[offset : offset+size]), nil
	}
	holder, err := i.fs.inode(number)
	if err != nil {
		return "", err
	}
	c, err := holder.content()
	if err != nil {
		return "", err
	}
	if c.Size != int64(size) {
		return "", errXattrs
	}
	b, err := io.ReadAll(c.Reader())
	return string(b), err
}
