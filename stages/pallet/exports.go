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
	at         steps // in the package's file
}

// exports are the file exports of a deployment in the order of their targets. Of two with the same target the later
// one wins: the deployment's own come first, then those of its features in the order of their names.
func (d *Deployment) exports() []export {
	var all []export
	for _, p := range d.parts() {
		for i, e := range p.Provides.FileExports {
			e.Source = strings.TrimPrefix(cmp.Or(e.Source, e.Target), "/")
			all = append(all, export{e, d, append(slices.Clone(p.at), "provides", "file-exports", i)})
		}
	}
	slices.SortStableFunc(all, func(a, b export) int { return cmp.Compare(a.Target, b.Target) })
	return all
}

// errorf is a mistake in a key of the export.
func (e export) errorf(key, format string, args ...any) error {
	return e.deployment.Package.file.errorf(append(slices.Clone(e.at), key), format, args...)
}

// The types of sources of exports.
const (
	SourceLocal       = "local"        // a file of the package
	SourceHTTP        = "http"         // a download
	SourceHTTPArchive = "http-archive" // a file or directory in a downloaded archive
	SourceOCIImage    = "oci-image"    // a file or directory in a container image
)

// downloads has the types of sources that are no files of the package.
var downloads = map[string]string{
	SourceHTTP:        "a download",
	SourceHTTPArchive: "a downloaded archive",
	SourceOCIImage:    "a container image",
}

// check returns the first mistake in what the export says.
func (e export) check() error {
	_, download := downloads[e.SourceType]
	switch {
	case e.Target == "":
		return e.errorf("target", "the export has no target")
	case badPath(e.Target) != "":
		return e.errorf("target", "export target %q %s", e.Target, badPath(e.Target))
	case e.SourceType != "" && e.SourceType != SourceLocal && !download:
		return e.errorf("source-type", "unknown source-type %q; known are local, %s", e.SourceType,
			strings.Join(slices.Sorted(maps.Keys(downloads)), ", "))
	case e.SourceType != SourceHTTP && e.Source != "." && badPath(e.Source) != "":
		return e.errorf("source", "export source %q %s", e.Source, badPath(e.Source))
	case download && e.URL == "":
		return e.errorf("url", "the export from %s has no url", downloads[e.SourceType])
	case !download && e.Checksum != "":
		return e.errorf("checksum", "a checksum is for downloads; this is a file of the package")
	case e.Checksum != "" && !checksumPattern.MatchString(e.Checksum):
		return e.errorf("checksum", "checksum %q is not sha256: and 64 hexadecimal digits", e.Checksum)
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

// Download is what an export downloads.
type Download struct {
	Type     string // SourceHTTP, SourceHTTPArchive or SourceOCIImage
	URL      string // of a file, or an image's name
	Checksum string // sha256:… of the file or of the image's manifest; "" if it is not known
	Source   string // path in the archive or image; "" for a file
}

// Downloader downloads.
type Downloader interface {
	// Fetch downloads something, unpacks it if it is an archive or an image, and returns where it lies: a directory, and
	// the path of a file, symlink or directory below it. Nothing there changes as long as the bundle is in use.
	Fetch(ctx context.Context, d Download) (dir, name string, err error)
}

func (e export) download() Download {
	d := Download{Type: e.SourceType, URL: e.URL, Checksum: e.Checksum, Source: e.Source}
	if d.Type == SourceHTTP {
		d.Source = ""
	}
	return d
}

// export puts one export into the bundle.
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
	if b.options.Downloads == nil {
		return e.errorf("source-type", "deployment %s needs the export %s from %s (%s), and nothing can be downloaded here",
			e.deployment.Name, e.Target, source, e.URL)
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

// copyDownload puts what was downloaded into the bundle. Unlike those of a pallet its permissions are somebody's
// choice.
func (b *bundler) copyDownload(dir, name, target string, permissions fs.FileMode) error {
	root, err := b.roots.open(dir)
	if err != nil {
		return err
	}
	return fs.WalkDir(root.FS(), name, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read %s: %w", located(root, at), pathless(err))
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
		f.Path = path.Join(target, filepath.ToSlash(below(name, at)))
		return b.files.put(f)
	})
}

// downloads are what the exports of a deployment download, by type of source, each once.
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

// checksumPattern is a digest as those of images are written.
var checksumPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
