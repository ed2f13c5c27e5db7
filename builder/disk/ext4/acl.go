package ext4

import (
	"encoding/binary"
	"errors"
)

const (
	aclXattrVersion = 2 // of the form that system calls and archives use
	aclDiskVersion  = 1
	aclUser         = 0x02
	aclGroup        = 0x08
)

var errACL = errors.New("not an access control list of version 2")

// diskACL turns an access control list as system calls have it (a header, then entries of 8 bytes, see
// linux/posix_acl_xattr.h) into the form that ext4 stores: only entries for named users and groups have an id.
func diskACL(value string) (string, error) {
	v := []byte(value)
	if len(v) < 4 || len(v)%8 != 4 || binary.LittleEndian.Uint32(v) != aclXattrVersion {
		return "", errACL
	}
	b := binary.LittleEndian.AppendUint32(nil, aclDiskVersion)
	for e := v[4:]; len(e) > 0; e = e[8:] {
		b = append(b, e[:4]...)
		if tag := binary.LittleEndian.Uint16(e); tag == aclUser || tag == aclGroup {
			b = append(b, e[4:8]...)
		}
	}
	return string(b), nil
}
