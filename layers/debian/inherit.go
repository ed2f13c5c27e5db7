package debian

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// inherited are the files of apt's private root that come from a tree with packages, by their paths in that root.
type inherited map[string][]byte

// apt's record of what is installed, in a root of its own.
const aptStatus = "status"

// installed returns the lists of installed packages of a tree.
func installed(t *tree.Tree) (inherited, error) {
	status, err := t.ReadFile(statusFile)
	if err != nil {
		return nil, fmt.Errorf("%w: packages can only be installed over a base with a dpkg database", err)
	}
	in := inherited{aptStatus: status}
	return in, in.add(t, autoFile, "")
}

// inheritedFrom are the paths of a tree's sources, preferences and trusted keys. Sources are rewritten.
var inheritedFrom = []string{
	"etc/apt/sources.list", "etc/apt/sources.list.d", "etc/apt/preferences", "etc/apt/preferences.d",
	"etc/apt/trusted.gpg.d",
}

func inherit(t *tree.Tree, mirror string) (inherited, error) {
	in := inherited{}
	for _, from := range inheritedFrom {
		if err := in.add(t, from, mirror); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// add adds a file, or those in a directory.
func (in inherited) add(t *tree.Tree, name, mirror string) error {
	at, n := t.Resolve(name)
	switch {
	case n == nil:
		return nil
	case n.Type == tree.Directory:
		for base, child := range n.Children() {
			if child.Type == tree.Directory {
				continue
			}
			if err := in.add(t, path.Join(at, base), mirror); err != nil {
				return err
			}
		}
		return nil
	}
	text, err := t.ReadFile(at)
	if err != nil {
		return err
	}
	if strings.HasPrefix(name, "etc/apt/sources.list") {
		text, err = in.sources(t, string(text), mirror)
	}
	in[name] = text
	return err
}

var (
	// signedBy matches the option or field with the keys of a source: files, or fingerprints of trusted keys.
	signedBy = regexp.MustCompile(`(?i)(signed-by(?::|=)[ \t]*)([^\s\]]+)`)
	// debianArchive matches URLs of Debian's main archive, which mirrors have, and not of the security archive.
	debianArchive = regexp.MustCompile(`https?://(?:deb|ftp)\.debian\.org/debian(/?(?:\s|$))`)
)

// sources are sources of packages with the tree's files of keys in a place of their own, and Debian's archive from a
// mirror.
func (in inherited) sources(t *tree.Tree, text, mirror string) ([]byte, error) {
	if mirror != "" {
		text = debianArchive.ReplaceAllString(text, mirror+"$1")
	}
	var failed error
	text = signedBy.ReplaceAllStringFunc(text, func(field string) string {
		m := signedBy.FindStringSubmatch(field)
		files := strings.Split(m[2], ",")
		for i, name := range files {
			if !strings.HasPrefix(name, "/") {
				continue
			}
			keys, err := t.ReadFile(name[1:])
			if err != nil {
				failed = fmt.Errorf("keys of the base's package sources: %w", err)
			}
			copied := path.Join("keys", strings.ReplaceAll(name[1:], "/", "-"))
			in[copied] = keys
			files[i] = path.Join(rootMark, copied)
		}
		return m[1] + strings.Join(files, ",")
	})
	return []byte(text), failed
}

// rootMark stands for the directory of apt's root in files whose hash names that directory.
const rootMark = "@ROOT@"
