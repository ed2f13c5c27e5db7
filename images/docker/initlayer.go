package docker

import (
	"path"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// mountPoints are the mount points of a container in the order in which Docker creates them: directories, files with mode
// 0755, and a symlink.
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

// initLayer returns the layer that Docker puts between the image and a container: the mount points that the image lacks. They
// hide files and symlinks of the image.
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

// putParents puts a directory and its parents, with the attributes that they have in the image, as copy-up does.
func putParents(out, image *tree.Tree, dir string) error {
	at := ""
	for part := range strings.SplitSeq(dir, "/") {
		if part == "." || child(out.Get(at), part) != nil {
			at = path.Join(at, part)
			continue
		}
		at = path.Join(at, part)
		n := &tree.Node{Mode: 0o755}
		if existing := directory(image, at); existing != nil {
			n = attributes(existing)
		}
		if err := out.Put(at, n); err != nil {
			return err
		}
	}
	return nil
}

// directory returns the directory at a path, or nil. It does not follow symlinks.
func directory(t *tree.Tree, name string) *tree.Node {
	if n := t.Get(name); n != nil && n.Type == tree.Directory {
		return n
	}
	return nil
}
