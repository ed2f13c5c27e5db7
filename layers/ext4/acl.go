package ext4

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
)

const (
	aclXattrVersion = 2 // of the form that system calls and archives use
	aclDiskVersion  = 1
	aclUser         = 0x02
	aclGroup        = 0x08
	aclTags         = 0x3f      // all tags; each is one bit
	aclNoID         = 1<<32 - 1 // of an entry without a named user or group
)

// isACL reports whether a prefix of namespaces is the whole name of an access control list.
func isACL(prefix string) bool { return !strings.HasSuffix(prefix, ".") }

// diskACL converts an access control list from the form of system calls (a header, then entries of 8 bytes, see
// linux/posix_acl_xattr.h) to that of the disk, where only entries of named users and groups have an ID.
func diskACL(value string) (string, error) {
	v := []byte(value)
	if len(v) < 4 || len(v)%8 != 4 || le.Uint32(v) != aclXattrVersion {
		return "", errors.New("access control list is damaged or not of version 2")
	}
	b := le.AppendUint32(nil, aclDiskVersion)
	for e := v[4:]; len(e) > 0; e = e[8:] {
		tag := le.Uint16(e)
		if tag > aclTags || bits.OnesCount16(tag) != 1 {
			return "", fmt.Errorf("access control list has an entry of the unknown type %#x", tag)
		}
		b = append(b, e[:4]...)
		if tag == aclUser || tag == aclGroup {
			b = append(b, e[4:8]...)
		}
	}
	return string(b), nil
}

// systemACL is the inverse of diskACL.
func systemACL(disk string) (string, error) {
	b := []byte(disk)
	if len(b) < 4 || le.Uint32(b) != aclDiskVersion {
		return "", errors.New("access control list on the disk is damaged or not of version 1")
	}
	out := le.AppendUint32(nil, aclXattrVersion)
	for b = b[4:]; len(b) >= 4; {
		tag, id := le.Uint16(b), uint32(aclNoID)
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
		return "", errors.New("access control list is damaged")
	}
	return string(out), nil
}
