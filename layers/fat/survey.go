package fat

import (
	"fmt"
	"path"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// file is a file or a directory that is to be written.
type file struct {
	node     *tree.Node
	path     string // in the tree; "" is the root
	parent   *file  // nil for the root
	children []child
	entries  int    // of a directory
	first    uint32 // cluster; 0: none
	clusters uint32
}

// child is a name in a directory.
type child struct {
	file  *file
	short [11]byte
	long  []uint16 // nil: the short name is the name
}

// size is the length of the content, in bytes.
func (f *file) size() int64 {
	if f.node.Type == tree.Directory {
		return int64(f.entries) * entrySize
	}
	return f.node.Content.Size
}

// needs is the number of clusters of a size that the content takes. An empty file has none, a directory at least one.
func (f *file) needs(cluster int64) int64 {
	n := roundUp(f.size(), cluster) / cluster
	if f.node.Type == tree.Directory {
		return max(n, 1)
	}
	return n
}

// survey lists the files of a tree, a directory before what lies in it. It fails at the first that FAT32 cannot hold.
func survey(t *tree.Tree, label string) ([]*file, error) {
	root := &file{node: t.Root}
	if label != "" {
		root.entries = 1
	}
	return surveyDirectory(nil, root)
}

// surveyDirectory appends a directory and all below it to a list.
func surveyDirectory(files []*file, dir *file) ([]*file, error) {
	if err := dir.addChildren(); err != nil {
		return nil, err
	}
	files = append(files, dir)
	for _, c := range dir.children {
		if c.file.node.Type != tree.Directory {
			files = append(files, c.file)
			continue
		}
		var err error
		if files, err = surveyDirectory(files, c.file); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// addChildren checks what lies in a directory and names it. Short names that say it all are taken before the others
// are numbered.
func (f *file) addChildren() error {
	short := shortNames{used: map[shortName]bool{}, next: map[shortName]int{}}
	same := map[string]string{}
	for name, n := range f.node.Children() {
		at := path.Join(f.path, name)
		units, err := encodeName(name)
		if err == nil {
			err = check(n)
		}
		if err != nil {
			return fmt.Errorf("/%s: %w", at, err)
		}
		if first, found := same[foldCase(name)]; found {
			return fmt.Errorf("/%s and /%s: FAT32 does not distinguish upper and lower case in names", path.Join(f.path, first), at)
		}
		same[foldCase(name)] = name
		c := child{file: &file{node: n, path: at, parent: f}, long: units}
		if n.Type == tree.Directory {
			c.file.entries = 2 // . and ..
		}
		if s, lossless := shorten(name); lossless {
			short.used[s] = true
			c.short = s.encode()
			if s.String() == name {
				c.long = nil
			}
		}
		f.children = append(f.children, c)
		f.entries += 1 + c.longEntries()
	}
	if f.entries > maxDirectory {
		return fmt.Errorf("/%s: directory needs %d entries, the limit of FAT32 is %d; long names take several each",
			f.path, f.entries, maxDirectory)
	}
	for i := range f.children {
		if c := &f.children[i]; c.short == [11]byte{} {
			s, _ := shorten(path.Base(c.file.path))
			c.short = short.number(s).encode()
		}
	}
	return nil
}

func (c *child) longEntries() int { return (len(c.long) + unitsPerLong - 1) / unitsPerLong }

// check tells what of a node FAT32 cannot hold.
func check(n *tree.Node) error {
	switch {
	case n.Type != tree.Regular && n.Type != tree.Directory:
		return fmt.Errorf("FAT32 cannot hold a %s", n.Type)
	case n.Content.Size > maxFile:
		return fmt.Errorf("file size of %d bytes exceeds the limit of FAT32, %d bytes", n.Content.Size, int64(maxFile))
	case n.Content.Size < 0:
		return fmt.Errorf("file size of %d bytes is negative", n.Content.Size)
	}
	return nil
}
