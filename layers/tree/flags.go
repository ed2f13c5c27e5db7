package tree

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// flagsRecord is the PAX record in which libarchive (bsdtar) keeps file flags. GNU tar has none.
const flagsRecord = "SCHILY.fflags"

// The names of flags in it. The first is the one that libarchive writes on Linux.
var (
	immutableNames  = []string{"schg", "schange", "simmutable", "uchg", "uchange", "uimmutable"}
	appendOnlyNames = []string{"sappnd", "sappend", "uappnd", "uappend"}
)

// parseFlags sets the flags of a list such as "sappnd,schg". Other flags are ignored.
func (n *Node) parseFlags(list string) {
	for name := range strings.SplitSeq(list, ",") {
		n.Immutable = n.Immutable || slices.Contains(immutableNames, name)
		n.AppendOnly = n.AppendOnly || slices.Contains(appendOnlyNames, name)
	}
}

// flags is the inverse of parseFlags; "" for none.
func (n *Node) flags() string {
	var names []string
	if n.AppendOnly {
		names = append(names, appendOnlyNames[0])
	}
	if n.Immutable {
		names = append(names, immutableNames[0])
	}
	return strings.Join(names, ",")
}

// readFlags sets the flags that a file or directory has. Not every file system has them.
func (n *Node) readFlags(name string) error {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, name, unix.AT_SYMLINK_NOFOLLOW, 0, &st); err != nil {
		return fmt.Errorf("statx %s: %w", name, err)
	}
	n.Immutable = st.Attributes&unix.STATX_ATTR_IMMUTABLE != 0
	n.AppendOnly = st.Attributes&unix.STATX_ATTR_APPEND != 0
	return nil
}
