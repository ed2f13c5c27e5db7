package pallet

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// ManifestFile is the name of a bundle's manifest. It has to be written last: a bundle without it is incomplete.
const ManifestFile = "forklift-bundle.yml"

// Version is the version of Forklift's bundle format that Bundle writes.
const Version = "v0.8.0-alpha.6"

// The directories of a bundle.
const (
	palletDir   = "pallet"
	mergedDir   = "merged-pallet" // the pallet with its imports
	packagesDir = "packages"
	exportsDir  = "exports"
)

// Bundle is the content of a bundle, which a pallet is turned into for a device: a manifest, the exported files for /etc and
// /usr, and the packages with the Compose apps to run.
type Bundle struct {
	Manifest []byte   // content of ManifestFile
	Files    []File   // all other files, sorted by path: a directory comes before its entries
	Warnings []string // those of Validate
}

// File is a regular file, a directory or a symlink of a bundle, with its permissions and where its content comes from.
type File struct {
	Path    string      // in the bundle, clean, without a leading slash
	Mode    fs.FileMode // type and permissions; independent of the umask
	Target  string      // of a symlink
	Source  string      // path of a regular file's content, in a pallet or a download
	Content []byte      // of a regular file without a Source

	special fs.FileMode // setuid, setgid and sticky bits of the source, which Mode does not have
}

// Options are the version of the pallet and the downloader with which Pallet.Bundle makes a bundle.
type Options struct {
	Version   string     // tag or pseudo-version of the commit
	Clean     bool       // the Git tree has no uncommitted changes
	Commit    string     // 40 hexadecimal digits; Forklift copies the Git directory into the bundle instead
	Downloads Downloader // nil: a pallet with downloads is an error
}

// Bundle returns the bundle of the pallet (the files that a device stores) from its current files. The error joins all
// mistakes of Check and of the file exports, one per line.
func (p *Pallet) Bundle(ctx context.Context, options Options) (*Bundle, error) {
	b := bundler{ctx: ctx, roots: roots{}, files: tree{}, options: options}
	if _, err := b.roots.open(p.Dir); err != nil {
		return nil, fmt.Errorf("bundle pallet: %w", err)
	}
	v := p.validate(ctx, b.roots)
	for _, err := range v.mistakes() {
		b.mistakes.add(err)
	}
	b.bundle(p, len(b.mistakes) > 0)
	b.mistakes.add(b.files.check())
	manifest, err := b.manifest(p, v)
	b.mistakes.add(err)
	b.mistakes.add(b.roots.close())
	if err := b.mistakes.err(); err != nil {
		return nil, err
	}
	return &Bundle{Manifest: manifest, Files: b.files.list(), Warnings: append(v.Warnings, b.warnings...)}, nil
}

// bundler collects the files and the mistakes of one bundle.
type bundler struct {
	ctx      context.Context
	roots    roots
	files    tree
	mistakes mistakes
	warnings []string
	options  Options

	skipDownloads bool // leave the exports of downloads out
}

// bundle adds all files. In a pallet with mistakes it only finds further mistakes of single exports.
func (b *bundler) bundle(p *Pallet, mistaken bool) {
	b.mistakes.add(b.copy(p.layered.own, ".", palletDir, 0))
	b.mistakes.add(b.copy(p.layered.merged, ".", mergedDir, 0))
	for _, f := range []File{
		{Path: path.Join(packagesDir, repositoryFile), Mode: 0o644, Content: []byte(repository)},
		{Path: exportsDir, Mode: fs.ModeDir | 0o755},
	} {
		b.mistakes.add(b.put(f))
	}
	for _, d := range p.enabled() {
		b.mistakes.add(b.copy(d.Package.view, d.Package.dir, d.Package.BundleDir(), 0))
		for _, e := range d.exports() {
			if mistaken {
				b.files = tree{} // conflicts between exports are reported already
			}
			b.mistakes.add(b.export(e))
			if b.ctx.Err() != nil {
				b.mistakes.add(fmt.Errorf("bundle pallet %s: %w", p.Path, b.ctx.Err()))
				return
			}
		}
	}
	b.files.restrict()
}

// put adds a file. It warns of special permission bits, which bundles do not keep. Names have to be UTF-8, since the digests
// of a staged bundle are JSON.
func (b *bundler) put(f File) error {
	if !utf8.ValidString(f.Path) {
		return fmt.Errorf("file %q: name is not UTF-8", f.Path)
	}
	if !utf8.ValidString(f.Target) {
		return fmt.Errorf("file %q: link target %q is not UTF-8", f.Path, f.Target)
	}
	if f.special != 0 {
		text := fmt.Sprintf("%s:1:1: file has the mode %v, of which the bundle keeps %v only", f.Source, f.Mode|f.special, f.Mode)
		if !slices.Contains(b.warnings, text) {
			b.warnings = append(b.warnings, text)
		}
	}
	return b.files.put(f)
}

// BundleDir returns the directory of the package in a bundle, relative to the bundle's.
func (p *Package) BundleDir() string {
	return path.Join(packagesDir, strings.TrimPrefix(p.Path, "/"))
}
