package pallet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
)

// ManifestFile is the name of a bundle's manifest. Whoever writes a bundle writes it last: without it a bundle is
// incomplete.
const ManifestFile = "forklift-bundle.yml"

// Version is the version of Forklift's format in which bundles are made.
const Version = "v0.8.0-alpha.6"

// The directories of a bundle.
const (
	palletDir   = "pallet"
	mergedDir   = "merged-pallet" // with all that comes from required pallets: for now the same
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
	Source  string      // where a regular file's content lies: the pallet's Dir, and a path below it
	Content []byte      // of a regular file without a Source
}

// Options are what a bundle says of a pallet and only the version control of the pallet knows.
type Options struct {
	Version string // a tag or a pseudo-version
	Clean   bool   // the pallet is as committed
}

// Bundle makes the bundle of a pallet from its files as they are now. The error is all mistakes, one a line.
func (p *Pallet) Bundle(options Options) (*Bundle, error) {
	root, err := os.OpenRoot(p.Dir)
	if err != nil {
		return nil, fmt.Errorf("bundle pallet: %w", err)
	}
	b := bundler{root: root, files: tree{}}
	b.bundle(p)
	manifest, err := p.manifest(options)
	b.mistakes.add(err)
	b.mistakes.add(root.Close())
	if err := errors.Join(b.mistakes...); err != nil {
		return nil, err
	}
	return &Bundle{Manifest: manifest, Files: b.files.list()}, nil
}

// bundler gathers the files of one bundle and the mistakes on the way.
type bundler struct {
	root     *os.Root
	files    tree
	mistakes mistakes
}

func (b *bundler) bundle(p *Pallet) {
	b.mistakes.add(b.copy(".", palletDir, 0))
	b.mistakes.add(b.copy(".", mergedDir, 0))
	for _, f := range []File{
		{Path: path.Join(packagesDir, repositoryFile), Mode: 0o644, Content: []byte(repository)},
		{Path: exportsDir, Mode: fs.ModeDir | 0o755},
	} {
		b.mistakes.add(b.files.put(f))
	}
	var exports []export
	for _, d := range p.enabled() {
		b.mistakes.add(b.copy(d.Package.Path[1:], path.Join(packagesDir, d.Package.Path), 0))
		exports = append(exports, d.exports()...)
	}
	found := conflicts(exports)
	b.mistakes = append(b.mistakes, found...)
	for _, e := range exports {
		if len(found) > 0 {
			b.files = tree{} // nothing comes of it: each is only looked at for mistakes of its own
		}
		b.mistakes.add(b.export(e))
	}
}

// enabled are the deployments that are part of the bundle.
func (p *Pallet) enabled() []*Deployment {
	var on []*Deployment
	for _, d := range p.Deployments {
		if !d.Disabled {
			on = append(on, d)
		}
	}
	return on
}

func (b *bundler) export(e export) error {
	source := path.Join(e.deployment.Package.Path[1:], e.Source)
	err := b.copy(source, path.Join(exportsDir, e.Target), fs.FileMode(e.Permissions))
	if err != nil {
		return e.errorf("source", "export %s of deployment %s: %w", e.Target, e.deployment.Name, err)
	}
	return nil
}
