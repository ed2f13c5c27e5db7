package boot

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Mount is the fstab entry of a partition besides boot and root: its number, mount point and type.
type Mount struct {
	Partition int    `json:"partition"` // its number
	Target    string `json:"target"`    // mount point, absolute and clean
	FAT       bool   `json:"fat,omitempty"`
}

// fstab returns /etc/fstab, and adds the mount points that the tree lacks to t.
func (b Layer) fstab(t, below *tree.Tree, now time.Time) (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "%s / ext4 defaults,noatime 0 1\n", b.partition(2))
	fmt.Fprintf(&out, "%s /%s vfat defaults,noatime,nofail 0 2\n", b.partition(1), Firmware)
	for _, m := range b.Mounts {
		point, err := mountPoint(m.Target, t, below, now)
		if err != nil {
			return "", fmt.Errorf("mount point %s: %w", m.Target, err)
		}
		format, options := "ext4", "defaults,noatime,nofail"
		if m.FAT {
			format, options = "vfat", options+ownership(point)
		}
		fmt.Fprintf(&out, "%s %s %s %s 0 2\n", b.partition(m.Partition), m.Target, format, options)
	}
	return out.String(), nil
}

// mountPoint returns the directory of a mount point, which it makes where the tree has none.
func mountPoint(target string, t, below *tree.Tree, now time.Time) (*tree.Node, error) {
	dir := target
	resolved, n := below.Resolve(dir)
	for n == nil {
		dir = path.Dir(dir)
		resolved, n = below.Resolve(dir)
	}
	switch {
	case n.Type != tree.Directory:
		return nil, fmt.Errorf("path %s is a %s in the image, want a directory", dir, n.Type)
	case path.Join("/", resolved) != dir:
		return nil, fmt.Errorf("path %s is a symlink to /%s in the image: use that in the mount point", dir, resolved)
	case dir == target:
		return n, nil
	}
	n = &tree.Node{Mode: 0o755, ModTime: now}
	return n, t.Put(target, n)
}

// ownership returns the mount options that give the files of a FAT partition the owner and mode of its mount point, if
// these are not those that they have anyway.
func ownership(point *tree.Node) string {
	options := ""
	if point.UID != 0 || point.GID != 0 {
		options = fmt.Sprintf(",uid=%d,gid=%d", point.UID, point.GID)
	}
	if mode := point.Mode & 0o777; mode != 0o755 {
		options += fmt.Sprintf(",umask=%04o", 0o777&^mode)
	}
	return options
}
