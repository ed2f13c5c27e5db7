package sandbox

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// IDs of sandboxes. Those of root's are in a range that systemd leaves unused (UIDS-GIDS.md); in a user namespace, which
// an ordinary user builds in, they are all but its root.
const (
	firstOfRoot = 0x70000000
	idCount     = 65535 // 0 to 65534, nobody
)

// firstID returns the ID in this process's user namespace that is root in a sandbox.
func firstID() (uint32, error) {
	if !inUserNamespace() {
		return firstOfRoot, nil
	}
	for _, name := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		text, err := os.ReadFile(name)
		if err != nil {
			return 0, err
		}
		if !mapsAll(string(text), 1, idCount) {
			return 0, fmt.Errorf("sandboxes need the IDs 1 to %d, and %s of this user namespace lacks some", idCount, name)
		}
	}
	return 1, nil
}

// mapsAll reports whether a table such as uid_map has all IDs from first on.
func mapsAll(table string, first, count uint32) bool {
	for next := first; ; {
		before := next
		for line := range strings.Lines(table) {
			var inside, outside, size uint32
			if _, err := fmt.Sscan(line, &inside, &outside, &size); err == nil && inside <= next && next-inside < size {
				next = inside + size
			}
		}
		if next-first >= count {
			return true
		}
		if next == before {
			return false
		}
	}
}

// inUserNamespace tells whether the process is in another user namespace than the machine's first.
func inUserNamespace() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	fields := strings.Fields(string(text))
	return err == nil && (len(fields) != 3 || fields[0] != "0" || fields[1] != "0" || fields[2] != "4294967295")
}

// idMap is the mapping of a sandbox's IDs.
func idMap(first uint32) []syscall.SysProcIDMap {
	return []syscall.SysProcIDMap{{ContainerID: 0, HostID: int(first), Size: idCount}}
}
