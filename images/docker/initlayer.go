package docker

import (
	"path"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers"
)

// mountPoints are what a container needs to have before anything is mounted in it, in the order in which Docker sees to
// them: directories, files with permission 0755, and a symlink.
var mountPoints = []struct {
	name   string
	kind   layers.Type
	target string
}{
	{"dev/pts", layers.Directory, ""},
	{"dev/shm", layers.Directory, ""},
	{"proc", layers.Directory, ""},
	{"sys", layers.Directory, ""},
	{".dockerenv", layers.Regular, ""},
	{"etc/resolv.conf", layers.Regular, ""},
	{"etc/hosts", layers.Regular, ""},
	{"etc/hostname", layers.Regular, ""},
	{"dev/console", layers.Regular, ""},
	{"etc/mtab", layers.Symlink, "/proc/mounts"},
}

// initLayer is what Docker puts between the layers of an image and that of a container: mount points that the image lacks.
// Files and symlinks of the image give way to them.
func initLayer(image *layers.Tree) (*layers.Tree, error) {
	out := layers.NewTree()
	if err := out.Put("", &layers.Node{Mode: 0o755}); err != nil {
		return nil, err
	}
	for _, m := range mountPoints {
		n := &layers.Node{Type: m.kind, Mode: 0o755, Target: m.target}
		if m.kind == layers.Symlink {
			n.Mode = 0o777
		}
		if directory(image, m.name) != nil {
			continue
		}
		if err := putParents(out, image, path.Dir(m.name)); err != nil {
			return nil, err
		}
		if err := out.Put(m.name, n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// putParents puts a directory and those above it: as the image has them, for the kernel copies these up.
func putParents(out, image *layers.Tree, dir string) error {
	at := ""
	for part := range strings.SplitSeq(dir, "/") {
		if part == "." || child(out.Get(at), part) != nil {
			at = path.Join(at, part)
			continue
		}
		at = path.Join(at, part)
		n := &layers.Node{Mode: 0o755}
		if there := directory(image, at); there != nil {
			n = bare(there)
		}
		if err := out.Put(at, n); err != nil {
			return err
		}
	}
	return nil
}

// directory is the directory at a path, or nil: symlinks are not followed.
func directory(t *layers.Tree, name string) *layers.Node {
	if n := t.Get(name); n != nil && n.Type == layers.Directory {
		return n
	}
	return nil
}
