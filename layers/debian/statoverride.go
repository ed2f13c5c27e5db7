package debian

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

const overridesDB = dpkgDir + "/statoverride"

// statOverrides are owners and modes that replace those of packages, by path: dpkg-statoverride(1).
type statOverrides map[string]statOverride

type statOverride struct{ uid, gid, mode uint32 }

// apply sets owner and mode of a file or directory that is unpacked.
func (o statOverrides) apply(name string, n *tree.Node) {
	if to, ok := o["/"+name]; ok && n.Type != tree.Symlink {
		n.UID, n.GID, n.Mode = to.uid, to.gid, to.mode
	}
}

// readStatOverrides reads dpkg's database: lines with user, group, mode and path. Users and groups are names in the tree, or
// numbers after "#".
func readStatOverrides(t *tree.Tree) (statOverrides, error) {
	if t.Get(overridesDB) == nil {
		return nil, nil
	}
	text, err := t.ReadFile(overridesDB)
	if err != nil {
		return nil, err
	}
	out := statOverrides{}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		if len(fields) != 4 {
			return nil, fmt.Errorf("read /%s: line %q is not USER GROUP MODE PATH", overridesDB, line)
		}
		uid, err := accountID(t, "etc/passwd", fields[0])
		if err != nil {
			return nil, fmt.Errorf("statoverride of %s: %w", fields[3], err)
		}
		gid, err := accountID(t, "etc/group", fields[1])
		if err != nil {
			return nil, fmt.Errorf("statoverride of %s: %w", fields[3], err)
		}
		mode, err := strconv.ParseUint(fields[2], 8, 12)
		if err != nil {
			return nil, fmt.Errorf("statoverride of %s: mode %q is not an octal number", fields[3], fields[2])
		}
		out[fields[3]] = statOverride{uid, gid, uint32(mode)}
	}
	return out, nil
}

// accountID returns the ID of a user or group in a file like passwd(5).
func accountID(t *tree.Tree, file, name string) (uint32, error) {
	if number, ok := strings.CutPrefix(name, "#"); ok {
		id, err := strconv.ParseUint(number, 10, 32)
		return uint32(id), err
	}
	text, err := t.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Split(strings.TrimSuffix(line, "\n"), ":"); len(f) > 2 && f[0] == name {
			id, err := strconv.ParseUint(f[2], 10, 32)
			return uint32(id), err
		}
	}
	return 0, fmt.Errorf("/%s has no account %s", file, name)
}
