package debian

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// ownership tells which package a file of a tree is from, by the records of the tree's dpkg.
type ownership struct {
	tree       *tree.Tree
	diversions diversions
	packages   map[string]*packageFiles // by name; nil: not installed
}

// packageFiles are the files of an installed package, with their MD5 sums where it has some.
type packageFiles map[string]string

func newOwnership(t *tree.Tree) (*ownership, error) {
	o := &ownership{tree: t, packages: map[string]*packageFiles{}}
	if t.Get(diversionsDB) == nil {
		return o, nil
	}
	text, err := t.ReadFile(diversionsDB)
	o.diversions = parseDiversions(string(text))
	return o, err
}

// owns reports whether a package of the tree ships the regular file of a name, and neither a diversion nor anybody else
// has put another file in its place.
func (o *ownership) owns(pkg, architecture, name string) (bool, error) {
	n := o.tree.Get(name)
	if n == nil || n.Type != tree.Regular {
		return false, nil
	}
	for _, path := range spellings(name) {
		if to, diverted := o.diversions[path]; diverted && to.except != pkg {
			return false, nil
		}
	}
	files, err := o.files(pkg, architecture)
	if err != nil || files == nil {
		return false, err
	}
	for _, path := range spellings(name) {
		sum, shipped := (*files)[path]
		if !shipped {
			continue
		}
		if sum == "" {
			return true, nil
		}
		h := md5.New()
		if _, err := io.Copy(h, n.Content.Reader()); err != nil {
			return false, fmt.Errorf("read /%s: %w", name, err)
		}
		return sum == hex.EncodeToString(h.Sum(nil)), nil
	}
	return false, nil
}

// spellings returns the paths by which packages may call a file: some still ship /bin/x, which is /usr/bin/x.
func spellings(name string) []string {
	out := []string{"/" + name}
	if short, ok := strings.CutPrefix(name, "usr/"); ok {
		out = append(out, "/"+short)
	}
	return out
}

func (o *ownership) files(pkg, architecture string) (*packageFiles, error) {
	if files, known := o.packages[pkg]; known {
		return files, nil
	}
	var files *packageFiles
	for _, id := range []string{pkg, pkg + ":" + architecture} {
		base := dpkgDir + "/info/" + id
		if o.tree.Get(base+".list") == nil {
			continue
		}
		list, err := o.tree.ReadFile(base + ".list")
		if err != nil {
			return nil, err
		}
		files = &packageFiles{}
		for line := range strings.Lines(string(list)) {
			(*files)[strings.TrimSuffix(line, "\n")] = ""
		}
		if o.tree.Get(base+".md5sums") == nil {
			break
		}
		sums, err := o.tree.ReadFile(base + ".md5sums")
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(sums)) {
			if sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  "); ok {
				(*files)["/"+name] = sum
			}
		}
		break
	}
	o.packages[pkg] = files
	return files, nil
}
