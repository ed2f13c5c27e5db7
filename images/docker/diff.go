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

// The names by which an archive says what of the layers below it is gone.
// https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
)

// opaque is the attribute by which an overlay's directory hides those below it.
const opaque = "trusted.overlay.opaque"

// readDiff reads the archive of a layer as a directory of overlay2 holds it.
func readDiff(archive *os.File) (*tree.Node, error) {
	info, err := archive.Stat()
	if err != nil {
		return nil, err
	}
	t := tree.New()
	if info.Size() > 0 { // no entries and no end either is a layer, too
		if t, err = tree.ReadTar(archive); err != nil {
			return nil, err
		}
	}
	for name, n := range t.Walk() {
		if n.Type == tree.Regular && n.Content.Size > 0 && n.Content.ReaderAt != io.ReaderAt(archive) {
			const way = "which Docker could not save again: make the archive without --sparse"
			return nil, fmt.Errorf("/%s is a sparse file, %s", name, way)
		}
		n.ModTime = dockerTime(n)
		n.Xattrs = settable(n)
	}
	if err := convertWhiteouts(t); err != nil {
		return nil, err
	}
	// Of the root an archive may say what it wants.
	t.Root.Mode, t.Root.UID, t.Root.GID, t.Root.ModTime = 0o755, 0, 0, time.Time{}
	return t.Root, nil
}

// dockerTime is the time of an entry as Docker sets it, which has none before 1970 but for symlinks.
func dockerTime(n *tree.Node) time.Time {
	if epoch := time.Unix(0, 0); n.ModTime.Before(epoch) && !n.ModTime.IsZero() && n.Type != tree.Symlink {
		return epoch
	}
	return n.ModTime
}

// settable are the attributes that the kernel lets one set. Docker does not mind the others.
func settable(n *tree.Node) map[string]string {
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

// convertWhiteouts turns the entries that delete into what means that to an overlay.
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
		errs = append(errs, deleted(t, w.name, w.node))
	}
	return errors.Join(errs...)
}

// deleted marks what a whiteout of a name deletes. What is in the same layer stays, and hides all that lies below.
func deleted(t *tree.Tree, name string, n *tree.Node) error {
	dir, base := path.Split(name)
	parent := t.Get(dir)
	if parent == nil {
		return nil // it was itself below a whiteout
	}
	if base == whiteoutOpaque {
		setOpaque(parent)
		return nil
	}
	gone := strings.TrimPrefix(base, whiteoutPrefix)
	if gone == "" || gone == "." || gone == ".." {
		return fmt.Errorf("tar entry %q deletes nothing in its directory", name)
	}
	there := t.Get(dir + gone)
	switch {
	case there == nil:
		return t.Put(dir+gone, &tree.Node{Type: tree.Char, UID: n.UID, GID: n.GID, ModTime: n.ModTime})
	case there.Type == tree.Directory:
		setOpaque(there)
	}
	return nil
}

func setOpaque(n *tree.Node) {
	if n.Xattrs == nil {
		n.Xattrs = map[string]string{}
	}
	n.Xattrs[opaque] = "y"
}

// sizeOf is what the files below a directory hold, in bytes, as Docker counts: each inode once, symlinks by target.
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
