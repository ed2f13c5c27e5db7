package pallet

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// export is a file export of a deployment, with its defaults filled in.
type export struct {
	FileExport
	deployment *Deployment
	at         steps // in the package's file
}

// exports are the file exports of a deployment in the order of their targets. Of two with the same target the later
// one wins: the deployment's own come first, then those of its features in the order of their names.
func (d *Deployment) exports() []export {
	all := d.exportsOf(d.Package.Deployment, "deployment")
	for _, name := range slices.Compact(slices.Sorted(slices.Values(d.Features))) {
		all = append(all, d.exportsOf(d.Package.Features[name], "features", name)...)
	}
	slices.SortStableFunc(all, func(a, b export) int { return cmp.Compare(a.Target, b.Target) })
	return all
}

func (d *Deployment) exportsOf(f Feature, at ...any) []export {
	var all []export
	for i, e := range f.Provides.FileExports {
		e.Source = strings.TrimPrefix(cmp.Or(e.Source, e.Target), "/")
		all = append(all, export{e, d, append(slices.Clone(at), "provides", "file-exports", i)})
	}
	return all
}

// errorf is a mistake in a key of the export.
func (e export) errorf(key, format string, args ...any) error {
	return e.deployment.Package.file.errorf(append(e.at, key), format, args...)
}

// place is where the target of the export is declared.
func (e export) place() string { return e.deployment.Package.file.place(append(e.at, "target")) }

// downloads has the types of sources that are no files of the package.
var downloads = map[string]string{
	"http":         "a download",
	"http-archive": "a downloaded archive",
	"oci-image":    "a container image",
}

// check returns the first mistake in what the export says.
func (e export) check() error {
	source, download := downloads[e.SourceType]
	switch {
	case e.Target == "":
		return e.errorf("target", "the export has no target")
	case badPath(e.Target) != "":
		return e.errorf("target", "export target %q %s", e.Target, badPath(e.Target))
	case download:
		return e.errorf("source-type", "deployment %s needs the export %s from %s (%s), and this version cannot do "+
			"that yet", e.deployment.Name, e.Target, source, e.URL)
	case e.SourceType != "" && e.SourceType != "local":
		return e.errorf("source-type", "unknown source-type %q; known are local, %s", e.SourceType,
			strings.Join(slices.Sorted(maps.Keys(downloads)), ", "))
	case e.Source != "." && badPath(e.Source) != "":
		return e.errorf("source", "export source %q %s", e.Source, badPath(e.Source))
	}
	return nil
}

// badPath says what is wrong with a path that has to be clean and below something.
func badPath(name string) string {
	switch parts := strings.Split(name, "/"); {
	case strings.HasPrefix(name, "/"):
		return "is absolute"
	case slices.Contains(parts, ".."):
		return `contains ".."`
	case slices.Contains(parts, gitDir):
		return "is Git's own"
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "has characters that cannot be printed"
	case path.Clean(name) == ".":
		return "is no path below the directory"
	case path.Clean(name) != name:
		return `is not clean: it has a needless "/" or "."`
	}
	return ""
}

// conflicts are the pairs of exports of different deployments of which one would lie on or in the other.
func conflicts(exports []export) []error {
	byTarget := map[string][]export{}
	for _, e := range exports {
		byTarget[e.Target] = append(byTarget[e.Target], e)
	}
	var found []error
	for _, e := range exports {
		for above := e.Target; above != "."; above = path.Dir(above) {
			for _, other := range byTarget[above] {
				if e.conflicts(other) {
					found = append(found, e.conflict(other))
				}
			}
		}
	}
	return found
}

// conflicts reports whether e may not lie on or in other. Of two equal targets only one conflicts with the other.
func (e export) conflicts(other export) bool {
	if e.Target == other.Target {
		return e.deployment.Name > other.deployment.Name
	}
	return e.deployment != other.deployment
}

func (e export) conflict(other export) error {
	return e.errorf("target", "deployment %s exports %s, and deployment %s exports %s (%s)",
		e.deployment.Name, e.Target, other.deployment.Name, other.Target, other.place())
}
