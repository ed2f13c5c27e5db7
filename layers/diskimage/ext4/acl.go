package ext4

import "errors"

// Names of access control lists, which the disk has in another form than system calls.
const (
	aclAccess  = "system.posix_acl_access"
	aclDefault = "system.posix_acl_default"
)

const (
	aclDiskVersion = 1
	aclVersion     = 2
	aclUser        = 0x2
	aclGroup       = 0x8
	aclNobody      = 1<<32 - 1 // the ID of an entry that has none
)

// aclValue turns an access control list from the form of the disk, where only entries of named users and groups have
// an ID, into that of system calls (linux/posix_acl_xattr.h).
func aclValue(disk string) (string, error) {
	b := []byte(disk)
	if len(b) < 4 || le.Uint32(b) != aclDiskVersion {
		return "", errors.New("unknown form of access control list")
	}
	out := le.AppendUint32(nil, aclVersion)
	for b = b[4:]; len(b) >= 4; {
		tag, id := le.Uint16(b), uint32(aclNobody)
		out, b = append(out, b[:4]...), b[4:]
		if tag == aclUser || tag == aclGroup {
			if len(b) < 4 {
				break
			}
			id, b = le.Uint32(b), b[4:]
		}
		out = le.AppendUint32(out, id)
	}
	if len(b) > 0 {
		return "", errors.New("broken access control list")
	}
	return string(out), nil
}
