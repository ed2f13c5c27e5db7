package pallet

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/PlanktoScope/pkbuild/internal/spelling"
)

// keys are the known keys of a mapping, or of the mappings in a list. A nil value has no known keys below it; the key ""
// stands for any name.
type keys map[string]keys

func fields(names ...string) keys {
	k := keys{}
	for _, name := range names {
		k[name] = nil
	}
	return k
}

// with returns the keys with one more.
func (k keys) with(name string, below keys) keys {
	k = maps.Clone(k)
	k[name] = below
	return k
}

// knownKeys returns the keys of a file by its name; nil for a file that is not checked. The formats are Forklift's, with
// the checksum of exports.
func knownKeys(name string) keys {
	about := fields("path", "description", "readme-file")
	modifiers := fields("description", "deprecated").with("modifiers",
		fields("description", "type", "source", "target", "only-matching-any"))
	switch base := path.Base(name); {
	case base == palletFile:
		return fields("forklift-version").with("pallet", about)
	case base == repositoryFile:
		return fields("forklift-version").with("repository", about)
	case base == versionLockFile:
		return fields("type", "tag", "timestamp", "commit")
	case base == packageFile:
		return packageKeys()
	case strings.HasSuffix(base, deploymentSuffix):
		return fields("package", "features", "disabled")
	case strings.HasSuffix(base, importsSuffix):
		return modifiers.with("disabled", nil)
	case strings.HasSuffix(base, featureSuffix):
		return modifiers
	}
	return nil
}

func packageKeys() keys {
	service := fields("description", "tags", "port", "protocol", "paths")
	fileset := fields("description", "tags", "paths")
	network := fields("description", "name")
	provides := keys{
		"listeners": fields("description", "port", "protocol"), "networks": network, "services": service, "filesets": fileset,
		"file-exports": fields("description", "tags", "source-type", "source", "url", "checksum", "permissions", "target"),
	}
	requires := keys{"networks": network, "services": service.with("nonblocking", nil), "filesets": fileset.with("nonblocking", nil)}
	deployment := fields("compose-files", "tags").with("requires", requires).with("provides", provides)
	return keys{
		"package": fields("description", "license", "license-file", "sources").with("maintainers", fields("name", "email")),
		"host":    fields("tags").with("provides", provides), "deployment": deployment,
		"features": {"": deployment.with("description", nil)},
	}
}

// keys warns of unknown keys and of further documents in the YAML files of the pallet, which Forklift ignores.
func (l *linter) keys(p *Pallet) {
	for _, v := range l.views(p) {
		for name := range v.files(".") {
			known := knownKeys(name)
			if known == nil {
				continue
			}
			var ignored any
			f, err := v.read(l.roots, name, &ignored)
			if err != nil {
				if !errors.Is(err, fs.ErrNotExist) {
					l.warnings = append(l.warnings, err.Error())
				}
				continue
			}
			l.file(f, known)
		}
	}
}

// views returns the files of the pallet with its imports, and of the repositories of deployed packages.
func (l *linter) views(p *Pallet) []*view {
	all := []*view{p.layered.merged}
	for _, d := range p.enabled() {
		if !slices.Contains(all, d.Package.view) {
			all = append(all, d.Package.view)
		}
	}
	return all
}

func (l *linter) file(f *file, known keys) {
	if f.parse() != nil || len(f.parsed.Docs) == 0 {
		return
	}
	for _, doc := range f.parsed.Docs[1:] {
		if doc.Body != nil {
			p := start(doc.Body).Position
			l.warn(f.at(p.Line, p.Column), "file has more than one YAML document; only the first one is read")
			break
		}
	}
	l.node(f, f.parsed.Docs[0].Body, known)
}

// node warns of unknown keys in a node. Anchors, aliases and merge keys are not followed.
func (l *linter) node(f *file, node ast.Node, known keys) {
	switch n := node.(type) {
	case *ast.AnchorNode:
		l.node(f, n.Value, known)
	case *ast.SequenceNode:
		for _, v := range n.Values {
			l.node(f, v, known)
		}
	case *ast.MappingValueNode:
		l.key(f, n, known)
	case *ast.MappingNode:
		for _, v := range n.Values {
			l.key(f, v, known)
		}
	}
}

func (l *linter) key(f *file, n *ast.MappingValueNode, known keys) {
	if n.Key.IsMergeKey() || known == nil {
		return
	}
	name := n.Key.GetToken().Value
	below, ok := known[name]
	if _, names := known[""]; names {
		below, ok = known[""], true
	}
	if ok {
		l.node(f, n.Value, below)
		return
	}
	hint := ""
	if nearest := spelling.Nearest(name, slices.Sorted(maps.Keys(known))); nearest != "" {
		hint = "; did you mean " + nearest + "?"
	}
	p := n.Key.GetToken().Position
	l.warn(f.at(p.Line, p.Column), "key %q is unknown and ignored%s", name, hint)
}

// formatNames are the endings of the files of the format below directories of the pallet.
var formatNames = []struct {
	dir    string
	suffix string
	near   *regexp.Regexp // names that may be meant to have the suffix
}{
	{deploymentsDir, deploymentSuffix, regexp.MustCompile(`^(.+?)(\.depl(oy(ment)?)?)?\.ya?ml$`)},
	{featuresDir, featureSuffix, regexp.MustCompile(`^(.+?)(\.feat(ures?)?)?\.ya?ml$`)},
	{requiredPallets, importsSuffix, regexp.MustCompile(`^(.+?)\.imports?\.ya?ml$`)},
}

// names warns of files that are ignored because of a small difference of their names.
func (l *linter) names(p *Pallet) {
	v := p.layered.merged
	for name := range v.files(".") {
		base := path.Base(name)
		for _, known := range []string{palletFile, repositoryFile, packageFile, versionLockFile} {
			if base != known && strings.TrimSuffix(base, ".yaml")+".yml" == known {
				l.ignored(v, name, known)
			}
		}
		for _, f := range formatNames {
			m := f.near.FindStringSubmatch(base)
			if m == nil || !strings.HasPrefix(name, f.dir+"/") || strings.HasSuffix(base, f.suffix) || knownKeys(name) != nil ||
				l.inPackage(v, name) || strings.HasPrefix(base, "forklift-") {
				continue
			}
			l.ignored(v, name, m[1]+f.suffix)
		}
	}
}

func (l *linter) ignored(v *view, name, meant string) {
	l.warn(v.fullPath(name)+":1:1", "file is ignored; did you mean %s?", meant)
}

// inPackage reports whether a file is in a package, which may have any files.
func (l *linter) inPackage(v *view, name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, ok := v.entries[path.Join(dir, packageFile)]; ok {
			return true
		}
	}
	return false
}

// ValidPath reports whether a path can name a pallet or a repository, such as github.com/PlanktoScope/pallet-standard.
func ValidPath(name string) bool { return palletPath.MatchString(name) }

var palletPath = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~-]*(/[A-Za-z0-9_~][A-Za-z0-9._~-]*)+$`)

// paths warns of the pallet's path if other pallets cannot require it.
func (l *linter) paths(p *Pallet) {
	if !ValidPath(p.Path) {
		l.warn(p.layered.file.position(keyPath{"pallet", "path"}),
			"pallet path %q is invalid, want a path such as github.com/PlanktoScope/pallet-standard: no other pallet can require it", p.Path)
	}
}
