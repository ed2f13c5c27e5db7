package pallet

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// export is a file export of a deployment, with its defaults filled in.
type export struct {
	FileExport
	deployment *Deployment
	at         keyPath // in the package's file
}

// exports returns the file exports of a deployment, sorted by target. Of two with the same target the later one wins:
// the package's own come first, then those of the features in the order of their names.
func (d *Deployment) exports() []export {
	var all []export
	for _, p := range d.parts() {
		for i, e := range p.Provides.FileExports {
			e.Source = cleanSource(cmp.Or(e.Source, e.Target))
			all = append(all, export{e, d, append(slices.Clone(p.at), "provides", "file-exports", i)})
		}
	}
	slices.SortStableFunc(all, func(a, b export) int { return cmp.Compare(a.Target, b.Target) })
	return all
}

// cleanSource returns a source as a clean relative path; "." is all of the package or download, as in Forklift. A path with
// ".." stays as it is, for check to report.
func cleanSource(source string) string {
	if slices.Contains(strings.Split(source, "/"), "..") {
		return source
	}
	return cmp.Or(strings.TrimPrefix(path.Clean("/"+source), "/"), ".")
}

// errorf returns an error with the position of a key of the export.
func (e export) errorf(key, format string, args ...any) error {
	return e.deployment.Package.file.errorf(append(slices.Clone(e.at), key), format, args...)
}

// The source types of exports.
const (
	SourceLocal       = "local"        // a file of the package
	SourceHTTP        = "http"         // a download
	SourceHTTPArchive = "http-archive" // a file or directory tree in a downloaded archive
	SourceOCIImage    = "oci-image"    // a file or directory tree in a container image
)

// downloads has the source types of downloads, with their names in messages.
var downloads = map[string]string{
	SourceHTTP:        "a download",
	SourceHTTPArchive: "a downloaded archive",
	SourceOCIImage:    "a container image",
}

// check returns the first mistake in the declaration of the export.
func (e export) check() error {
	_, download := downloads[e.SourceType]
	switch {
	case e.Target == "":
		return e.errorf("target", "export has no target")
	case pathProblem(e.Target) != "":
		return e.errorf("target", "export target %q %s", e.Target, pathProblem(e.Target))
	case e.SourceType != "" && e.SourceType != SourceLocal && !download:
		return e.errorf("source-type", "source-type %q is unknown, want local, %s", e.SourceType,
			strings.Join(slices.Sorted(maps.Keys(downloads)), ", "))
	case e.SourceType != SourceHTTP && e.Source != "." && pathProblem(e.Source) != "":
		return e.errorf("source", "export source %q %s", e.Source, pathProblem(e.Source))
	case download && e.URL == "":
		return e.errorf("url", "export from %s has no url", downloads[e.SourceType])
	case !download && e.Checksum != "":
		return e.errorf("checksum", "export of a file of the package has a checksum, which only downloads may have")
	case e.Checksum != "" && !checksumPattern.MatchString(e.Checksum):
		return e.errorf("checksum", "checksum %q is invalid, want sha256: and 64 hexadecimal digits", e.Checksum)
	}
	return nil
}

// maxName is the greatest length of a file name on ext4 in bytes.
const maxName = 255

// pathProblem returns why a path is not a clean path below a directory, as a predicate such as "is absolute"; "" if it is
// one.
func pathProblem(name string) string {
	switch parts := strings.Split(name, "/"); {
	case strings.HasPrefix(name, "/"):
		return "is absolute"
	case slices.Contains(parts, ".."):
		return `contains ".."`
	case slices.Contains(parts, gitDir):
		return "is inside of " + gitDir
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "contains control characters or invalid UTF-8"
	case slices.ContainsFunc(parts, func(part string) bool { return len(part) > maxName }):
		return fmt.Sprintf("has a name of more than %d bytes", maxName)
	case path.Clean(name) == ".":
		return "is the directory itself"
	case path.Clean(name) != name:
		return `has a superfluous "/" or "."`
	}
	return ""
}

// Download is what a file export of a pallet downloads: a file, an archive or a container image, by URL and checksum.
type Download struct {
	Type     string // SourceHTTP, SourceHTTPArchive or SourceOCIImage
	URL      string // of a file, or the reference of an image
	Checksum string // sha256:… of the file or of the image's manifest; "" if unknown
	Source   string // path in the archive or image; "" for a file
}

// Downloader fetches the files, archives and container images that the file exports of pallets name by URL. download.Cache
// implements it.
type Downloader interface {
	// Fetch downloads a file, archive or image, unpacks the latter two, and returns a directory and the path of a file,
	// symlink or directory below it. The content must not change while the bundle is in use.
	Fetch(ctx context.Context, d Download) (dir, name string, err error)
}

func (e export) download() Download {
	d := Download{Type: e.SourceType, URL: e.URL, Checksum: e.Checksum, Source: e.Source}
	if d.Type == SourceHTTP {
		d.Source = ""
	}
	return d
}

// export adds an export to the bundle.
func (b *bundler) export(e export) error {
	target := path.Join(exportsDir, e.Target)
	permissions := fs.FileMode(e.Permissions)
	source, download := downloads[e.SourceType]
	if !download {
		err := b.copy(e.deployment.Package.view, path.Join(e.deployment.Package.dir, e.Source), target, permissions)
		if err != nil {
			return e.errorf("source", "export %s of deployment %s: %w", e.Target, e.deployment.Name, err)
		}
		return nil
	}
	if b.skipDownloads {
		return nil
	}
	if b.options.Downloads == nil {
		return e.errorf("source-type", "export %s of deployment %s is from %s (%s): downloads are not available here",
			e.Target, e.deployment.Name, source, e.URL)
	}
	dir, name, err := b.options.Downloads.Fetch(b.ctx, e.download())
	if err == nil {
		err = b.copyDownload(dir, name, target, permissions)
	}
	if err != nil {
		return e.errorf("url", "export %s of deployment %s from %s: %w", e.Target, e.deployment.Name, source, err)
	}
	return nil
}

// copyDownload adds a downloaded file or directory tree to the bundle. Unlike those of a pallet's files, which come from
// a umask, all its permissions are kept.
func (b *bundler) copyDownload(dir, name, target string, permissions fs.FileMode) error {
	root, err := b.roots.open(dir)
	if err != nil {
		return err
	}
	return fs.WalkDir(root.FS(), name, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read %s: %w", fullPath(root, at), withoutPath(err))
		}
		f, err := lstat(root, at)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if f.Mode.IsRegular() {
			f.Mode = info.Mode().Perm()
		}
		if f.Mode.IsRegular() && at == name && permissions != 0 {
			f.Mode = permissions
		}
		f.Path = path.Join(target, filepath.ToSlash(relativeTo(name, at)))
		return b.put(f)
	})
}

// downloads returns the URLs of the exports of a deployment with the given source types, sorted, without duplicates.
func (d *Deployment) downloads(types ...string) []string {
	var all []string
	for _, e := range d.exports() {
		if slices.Contains(types, e.SourceType) {
			all = append(all, e.URL)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// checksumPattern matches a digest in OCI's notation.
var checksumPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
