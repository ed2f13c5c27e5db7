package docker

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// The names of whiteouts in the archive of a layer.
// https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
)

// opaque is the extended attribute of a directory that hides those of lower layers.
const opaque = "trusted.overlay.opaque"

// readDiff reads the archive of a layer and returns its directory in the form of overlay2.
func readDiff(archive *os.File) (*tree.Node, error) {
	info, err := archive.Stat()
	if err != nil {
		return nil, err
	}
	t := tree.New()
	if info.Size() > 0 { // an empty file is a valid layer
		if t, err = tree.ReadTar(archive); err != nil {
			return nil, err
		}
	}
	for name, n := range t.Walk() {
		if n.Type == tree.Regular && n.Content.Size > 0 && n.Content.ReaderAt != io.ReaderAt(archive) {
			return nil, fmt.Errorf("/%s is a sparse file, which Docker cannot save again: create the archive without --sparse", name)
		}
		n.ModTime = dockerTime(n)
		n.Xattrs = settableXattrs(n)
	}
	if err := convertWhiteouts(t); err != nil {
		return nil, err
	}
	// Docker ignores the attributes of the root in the archive.
	t.Root.Mode, t.Root.UID, t.Root.GID, t.Root.ModTime = 0o755, 0, 0, time.Time{}
	return t.Root, nil
}

// dockerTime returns the modification time that Docker sets: never before 1970, except for symlinks.
func dockerTime(n *tree.Node) time.Time {
	if epoch := time.Unix(0, 0); n.ModTime.Before(epoch) && !n.ModTime.IsZero() && n.Type != tree.Symlink {
		return epoch
	}
	return n.ModTime
}

// settableXattrs returns the extended attributes that the kernel accepts. Docker skips the others.
func settableXattrs(n *tree.Node) map[string]string {
	var out map[string]string
	for name, value := range n.Xattrs {
		space, rest, _ := strings.Cut(name, ".")
		switch {
		case rest == "":
			continue
		case space == "user" && n.Type != tree.Regular && n.Type != tree.Directory:
			continue
		case space != "user" && space != "trusted" && space != "security" && !isACL(name):
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = value
	}
	return out
}

func isACL(name string) bool {
	return name == "system.posix_acl_access" || name == "system.posix_acl_default"
}

// convertWhiteouts converts the whiteouts of an archive to those of overlayfs.
func convertWhiteouts(t *tree.Tree) error {
	type whiteout struct {
		name string
		node *tree.Node
	}
	var found []whiteout
	for name, n := range t.Walk() {
		if strings.HasPrefix(path.Base(name), whiteoutPrefix) {
			found = append(found, whiteout{name, n})
		}
	}
	var errs []error
	for _, w := range found {
		t.Remove(w.name)
		errs = append(errs, applyWhiteout(t, w.name, w.node))
	}
	return errors.Join(errs...)
}

// applyWhiteout marks the file that a whiteout deletes. A file of the same layer stays, and hides lower ones.
func applyWhiteout(t *tree.Tree, name string, n *tree.Node) error {
	dir, base := path.Split(name)
	parent := t.Get(dir)
	if parent == nil {
		return nil // below another whiteout
	}
	if base == whiteoutOpaque {
		setOpaque(parent)
		return nil
	}
	target := strings.TrimPrefix(base, whiteoutPrefix)
	if target == "" || target == "." || target == ".." {
		return fmt.Errorf("tar entry %q is a whiteout without a file name", name)
	}
	existing := t.Get(dir + target)
	switch {
	case existing == nil:
		return t.Put(dir+target, &tree.Node{Type: tree.Char, UID: n.UID, GID: n.GID, ModTime: n.ModTime})
	case existing.Type == tree.Directory:
		setOpaque(existing)
	}
	return nil
}

func setOpaque(n *tree.Node) {
	if n.Xattrs == nil {
		n.Xattrs = map[string]string{}
	}
	n.Xattrs[opaque] = "y"
}

// sizeOf returns the size of the files below a directory in bytes as Docker counts it: each inode once, symlinks by their target.
func sizeOf(dir *tree.Node) (size int64) {
	seen := map[*tree.Node]bool{}
	for _, n := range (&tree.Tree{Root: dir}).Walk() {
		if !seen[n] {
			size += n.Content.Size + int64(len(n.Target))
		}
		seen[n] = true
	}
	return size
}
