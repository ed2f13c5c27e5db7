package builder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/PlanktoScope/pkbuild/builder/lock"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/stages/apply"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
	"github.com/PlanktoScope/pkbuild/stages/pallet/download"
	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
	"github.com/PlanktoScope/pkbuild/stages/pallet/source"
)

// palletsDir is the directory of the cache for required pallets and downloads. `pkbuild pallet` uses the same one.
const palletsDir = "pallets"

// recipesDir is the directory of the cache for shipped recipes.
const recipesDir = "recipes"

// ShippedDir returns the directory in a build cache into which the recipes that ship with pkbuild are extracted.
func ShippedDir(cache string) string { return filepath.Join(cache, recipesDir) }

// stagedPallet is a pallet that a recipe stages.
type stagedPallet struct {
	path   string // in the recipe
	lock   lock.Pallet
	bundle []layers.File // paths are relative to the bundle; nil if bundles are skipped
	apps   []apply.App   // in the order in which the device starts them
}

// palletReader reads and bundles the pallets of a recipe.
type palletReader struct {
	sources     *Sources
	skipBundles bool
	digests     *digests
	reader      pallet.Reader
	downloads   *downloads
}

func newPalletReader(s *Sources, digests *digests, o GatherOptions) *palletReader {
	mirrors := mirror.Mirrors{}
	maps.Copy(mirrors, s.Recipe.Mirrors)
	maps.Copy(mirrors, o.Mirrors)
	p := &palletReader{sources: s, skipBundles: o.SkipBundles, digests: digests, downloads: &downloads{}}
	if o.Lock != nil {
		p.downloads.pins, p.downloads.locked = o.Lock.Downloads, true
	}
	if o.Cache == "" {
		return p
	}
	dir := filepath.Join(o.Cache, palletsDir)
	p.reader.Resolver = source.Source{Cache: filepath.Join(dir, "git"), Mirrors: mirrors}
	p.downloads.Cache = download.Cache{
		Dir: filepath.Join(dir, "downloads"), Mirrors: mirrors, Platform: "linux/" + s.Recipe.Architecture,
	}
	return p
}

// read reads the pallet in a directory, which is relative to the recipe.
func (p *palletReader) read(ctx context.Context, dir string) (s stagedPallet, err error) {
	at := p.sources.locate(dir)
	state, err := source.Describe(at)
	if err != nil {
		return s, err
	}
	s.path, s.lock.Path = dir, filepath.ToSlash(dir)
	if below, cached, err := p.sources.relative(at); err == nil && cached {
		s.lock.Path = below // the same on every machine
	}
	if state.Clean {
		s.lock.Commit = state.Commit
	}
	if s.lock.SHA256, err = digestDir(at, p.digests); err != nil {
		return s, err
	}
	read, err := p.reader.Read(ctx, at)
	if err != nil {
		return s, err
	}
	if !p.skipBundles {
		if s.bundle, err = p.bundle(ctx, read, state); err != nil {
			return s, err
		}
	}
	apps, err := apply.AppsOf(ctx, read, overlays.CurrentStage)
	s.apps = startOrder(apps)
	return s, err
}

// bundle makes the bundle of a pallet.
func (p *palletReader) bundle(ctx context.Context, read *pallet.Pallet, state source.State) ([]layers.File, error) {
	o := pallet.Options{Version: state.Version, Commit: state.Commit, Clean: state.Clean}
	if p.sources.cache != "" {
		o.Downloads = p.downloads
	}
	b, err := read.Bundle(ctx, o)
	if len(p.downloads.missing) > 0 {
		return nil, &lock.StaleError{Changes: p.downloads.missing}
	}
	if err != nil {
		return nil, err
	}
	return p.bundleFiles(b)
}

// startOrder sorts apps so that each comes after those that it depends on. There must be no cycle.
func startOrder(apps []apply.App) []apply.App {
	var out []apply.App
	done := map[string]bool{}
	for len(out) < len(apps) {
		for _, a := range apps {
			waits := slices.ContainsFunc(a.After, func(name string) bool { return !done[name] })
			if !done[a.Deployment] && !waits {
				out, done[a.Deployment] = append(out, a), true
			}
		}
	}
	return out
}

// digestDir returns a SHA-256, in hexadecimal, over the files of a directory except .git: their names, whether their
// owner may execute them, and their contents or symlink targets.
func digestDir(dir string, digests *digests) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == ".git" && name != dir {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		below, err := filepath.Rel(dir, name)
		if err != nil || d.IsDir() {
			return err
		}
		return digestEntry(h, name, filepath.ToSlash(below), digests)
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// digestEntry adds a file or a symlink to a hash.
func digestEntry(h hash.Hash, name, below string, digests *digests) error {
	info, err := os.Lstat(name)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(name)
		fmt.Fprintf(h, "link %q %q\n", below, target)
		return err
	}
	sum, err := digests.of(name)
	fmt.Fprintf(h, "file %q %t %s\n", below, info.Mode()&0o100 != 0, sum)
	return err
}
