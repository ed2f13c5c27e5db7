package tree

import (
	"bytes"
	"encoding/binary"
)

// shiftIDs returns the value of an extended attribute with first added to the IDs in it: those of an ACL (struct
// posix_acl_xattr_entry), and the owner of file capabilities (struct vfs_ns_cap_data).
func shiftIDs(key string, value []byte, first uint32) []byte {
	if first == 0 {
		return value
	}
	switch key {
	case "system.posix_acl_access", "system.posix_acl_default":
		return shiftACL(value, first)
	case "security.capability":
		return ownCapabilities(value, first)
	}
	return value
}

func shiftACL(value []byte, first uint32) []byte {
	const header, entry, aclUser, aclGroup = 4, 8, 0x02, 0x08
	out := bytes.Clone(value)
	for at := header; at+entry <= len(out); at += entry {
		if tag := binary.LittleEndian.Uint16(out[at:]); tag == aclUser || tag == aclGroup {
			id := out[at+4:]
			binary.LittleEndian.PutUint32(id, binary.LittleEndian.Uint32(id)+first)
		}
	}
	return out
}

// ownCapabilities turns capabilities of revision 2, which count everywhere, into revision 3, which count where the
// owner is root.
func ownCapabilities(value []byte, owner uint32) []byte {
	const size2, revision2, revision3, revisionMask = 20, 0x02000000, 0x03000000, 0xff000000
	if len(value) != size2 {
		return value
	}
	magic := binary.LittleEndian.Uint32(value)
	if magic&revisionMask != revision2 {
		return value
	}
	out := binary.LittleEndian.AppendUint32(bytes.Clone(value), owner)
	binary.LittleEndian.PutUint32(out, magic&^uint32(revisionMask)|revision3)
	return out
}
