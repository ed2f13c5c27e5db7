package docker

import (
	"strconv"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// overlay writes a layer for the storage driver.
func (t *storeWriter) overlay(l *chainLayer) {
	dir := "overlay2/" + l.cacheID()
	t.directory(dir, 0o710)
	t.put(dir+"/diff", l.diff)
	t.file(dir+"/link", 0o644, l.link())
	t.put("overlay2/l/"+l.link(), &tree.Node{Type: tree.Symlink, Mode: 0o777, Target: "../" + l.cacheID() + "/diff"})
	if l.parent != nil {
		t.directory(dir+"/work", 0o700)
		t.file(dir+"/lower", 0o644, l.lower())
	}
	if l.children {
		t.file(dir+"/committed", 0o600, "")
	}
}

// lower returns the list of the layers below, the nearest first.
func (l *chainLayer) lower() string {
	var links []string
	for below := l.parent; below != nil; below = below.parent {
		links = append(links, "l/"+below.link())
	}
	return strings.Join(links, ":")
}

// layer writes the metadata of a layer.
func (t *storeWriter) layer(l *chainLayer) {
	dir := "image/overlay2/layerdb/sha256/" + l.id.Encoded()
	t.directory(dir, 0o700)
	t.file(dir+"/cache-id", 0o644, l.cacheID())
	t.file(dir+"/diff", 0o644, l.DiffID.String())
	t.file(dir+"/size", 0o644, strconv.FormatInt(l.size, 10))
	t.put(dir+"/tar-split.json.gz", &tree.Node{Type: tree.Regular, Mode: 0o644, Content: l.split})
	if l.parent != nil {
		t.file(dir+"/parent", 0o644, l.parent.id.String())
	}
}
