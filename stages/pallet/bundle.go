package pallet

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// ManifestFile is the name of a bundle's manifest. Whoever writes a bundle writes it last: without it a bundle is
// incomplete.
const ManifestFile = "forklift-bundle.yml"

// Version is the version of Forklift's format in which bundles are made.
const Version = "v0.8.0-alpha.6"

// The directories of a bundle.
const (
	palletDir   = "pallet"
	mergedDir   = "merged-pallet" // with all that comes from required pallets
	packagesDir = "packages"
	exportsDir  = "exports"
)

// Bundle is a pallet as a device keeps it, as data: whoever writes it decides where.
type Bundle struct {
	Manifest []byte // content of ManifestFile
	Files    []File // all others, in the order of their paths: a directory comes before what lies in it
}

// File is a regular file, a directory or a symlink of a bundle.
type File struct {
	Path    string      // in the bundle, clean, without a leading slash
	Mode    fs.FileMode // type and permissions, which do not depend on anybody's umask
	Target  string      // of a symlink
	Source  string      // where a regular file's content lies: in a pallet's directory or that of a download
	Content []byte      // of a regular file without a Source
}

// Options are what a bundle says of a pallet and only the version control of the pallet knows, and what it is made
// with.
type Options struct {
	Version   string     // a tag or a pseudo-version
	Clean     bool       // the pallet is as committed
	Commit    string     // in full; Forklift puts a copy of the history into the bundle instead
	Downloads Downloader // nil: a pallet that downloads something is refused
}

// Bundle makes the bundle of a pallet from its files as they are now. The error is all mistakes, one a line: those of
// Check, and those of the exports.
func (p *Pallet) Bundle(ctx context.Context, options Options) (*Bundle, error) {
	b := bundler{ctx: ctx, roots: roots{}, files: tree{}, options: options}
	if _, err := b.roots.open(p.Dir); err != nil {
		return nil, fmt.Errorf("bundle pallet: %w", err)
	}
	for _, text := range p.Check().errors() {
		b.mistakes.add(text)
	}
	b.bundle(p)
	b.mistakes.add(b.files.check())
	manifest, err := b.manifest(p)
	b.mistakes.add(err)
	b.mistakes.add(b.roots.close())
	if err := b.mistakes.err(); err != nil {
		return nil, err
	}
	return &Bundle{Manifest: manifest, Files: b.files.list()}, nil
}

// bundler gathers the files of one bundle and the mistakes on the way.
type bundler struct {
	ctx      context.Context
	roots    roots
	files    tree
	mistakes mistakes
	options  Options
}

func (b *bundler) bundle(p *Pallet) {
	conflicting := len(b.mistakes) > 0
	b.mistakes.add(b.copy(p.layered.own, ".", palletDir, 0))
	b.mistakes.add(b.copy(p.layered.merged, ".", mergedDir, 0))
	for _, f := range []File{
		{Path: path.Join(packagesDir, repositoryFile), Mode: 0o644, Content: []byte(repository)},
		{Path: exportsDir, Mode: fs.ModeDir | 0o755},
	} {
		b.mistakes.add(b.files.put(f))
	}
	for _, d := range p.enabled() {
		b.mistakes.add(b.copy(d.Package.view, d.Package.dir, d.Package.BundleDir(), 0))
		for _, e := range d.exports() {
			if conflicting {
				b.files = tree{} // nothing comes of it: each is only looked at for mistakes of its own
			}
			b.mistakes.add(b.export(e))
			if b.ctx.Err() != nil {
				b.mistakes.add(fmt.Errorf("bundle pallet %s: %w", p.Path, b.ctx.Err()))
				return
			}
		}
	}
}

// BundleDir is where a bundle has the package, relative to the bundle.
func (p *Package) BundleDir() string {
	return path.Join(packagesDir, strings.TrimPrefix(p.Path, "/"))
}
