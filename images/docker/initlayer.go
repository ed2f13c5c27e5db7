package docker

import (
	"path"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// mountPoints are what a container needs to have before anything is mounted in it, in the order in which Docker sees to
// them: directories, files with permission 0755, and a symlink.
var mountPoints = []struct {
	name   string
	kind   tree.Type
	target string
}{
	{"dev/pts", tree.Directory, ""},
	{"dev/shm", tree.Directory, ""},
	{"proc", tree.Directory, ""},
	{"sys", tree.Directory, ""},
	{".dockerenv", tree.Regular, ""},
	{"etc/resolv.conf", tree.Regular, ""},
	{"etc/hosts", tree.Regular, ""},
	{"etc/hostname", tree.Regular, ""},
	{"dev/console", tree.Regular, ""},
	{"etc/mtab", tree.Symlink, "/proc/mounts"},
}

// initLayer is what Docker puts between the layers of an image and that of a container: mount points that the image lacks.
// Files and symlinks of the image give way to them.
func initLayer(image *tree.Tree) (*tree.Tree, error) {
	out := tree.New()
	if err := out.Put("", &tree.Node{Mode: 0o755}); err != nil {
		return nil, err
	}
	for _, m := range mountPoints {
		n := &tree.Node{Type: m.kind, Mode: 0o755, Target: m.target}
		if m.kind == tree.Symlink {
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
func putParents(out, image *tree.Tree, dir string) error {
	at := ""
	for part := range strings.SplitSeq(dir, "/") {
		if part == "." || child(out.Get(at), part) != nil {
			at = path.Join(at, part)
			continue
		}
		at = path.Join(at, part)
		n := &tree.Node{Mode: 0o755}
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
func directory(t *tree.Tree, name string) *tree.Node {
	if n := t.Get(name); n != nil && n.Type == tree.Directory {
		return n
	}
	return nil
}
