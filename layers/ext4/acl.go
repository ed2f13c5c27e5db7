package ext4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

const (
	aclXattrVersion = 2 // of the form that system calls and archives use
	aclDiskVersion  = 1
	aclUser         = 0x02
	aclGroup        = 0x08
	aclTags         = 0x3f // all tags; each is one bit
)

// diskACL turns an access control list as system calls have it (a header, then entries of 8 bytes, see
// linux/posix_acl_xattr.h) into the form that ext4 stores: only entries for named users and groups have an id.
func diskACL(value string) (string, error) {
	v := []byte(value)
	if len(v) < 4 || len(v)%8 != 4 || binary.LittleEndian.Uint32(v) != aclXattrVersion {
		return "", errors.New("not an access control list of version 2")
	}
	b := binary.LittleEndian.AppendUint32(nil, aclDiskVersion)
	for e := v[4:]; len(e) > 0; e = e[8:] {
		tag := binary.LittleEndian.Uint16(e)
		if tag > aclTags || bits.OnesCount16(tag) != 1 {
			return "", fmt.Errorf("access control list with an entry of type %#x", tag)
		}
		b = append(b, e[:4]...)
		if tag == aclUser || tag == aclGroup {
			b = append(b, e[4:8]...)
		}
	}
	return string(b), nil
}
