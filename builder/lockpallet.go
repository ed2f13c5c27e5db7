package builder

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/recipes"
	"github.com/PlanktoScope/pkbuild/stages/pallet/source"
)

func lockedPallets(r *recipes.Recipe) ([]LockedPallet, error) {
	var out []LockedPallet
	for _, l := range r.Layers {
		if l.Stage == nil {
			continue
		}
		dir := layers.Locate(r.Dir, l.Stage.Pallet)
		locked := LockedPallet{Path: filepath.ToSlash(l.Stage.Pallet)}
		var err, gitErr error
		locked.SHA256, err = digestDir(dir)
		locked.Commit, gitErr = commit(dir)
		if err := errors.Join(err, gitErr); err != nil {
			return nil, fmt.Errorf("pallet %s: %w", l.Stage.Pallet, err)
		}
		out = append(out, locked)
	}
	return out, nil
}

// lockedDownloads are what the pallets of a recipe download now and do not pin themselves.
func lockedDownloads(ctx context.Context, r *recipes.Recipe, o Options) ([]LockedDownload, error) {
	p := newPallets(r, Inputs{Cache: o.Cache, Mirrors: o.Mirrors})
	for _, l := range r.Layers {
		if l.Stage == nil {
			continue
		}
		if _, err := p.bundle(ctx, layers.Locate(r.Dir, l.Stage.Pallet)); err != nil {
			return nil, fmt.Errorf("pallet %s: %w", l.Stage.Pallet, err)
		}
	}
	slices.SortFunc(p.downloads.used, func(a, b LockedDownload) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.URL, b.URL))
	})
	return p.downloads.used, nil
}

// digestDir is a SHA-256 over the files of a directory, .git aside: their names, whether their owner may execute them,
// and their contents or targets.
func digestDir(dir string) (string, error) {
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
		return describeTo(h, name, filepath.ToSlash(below))
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// describeTo adds a file to a hash.
func describeTo(h hash.Hash, name, below string) error {
	info, err := os.Lstat(name)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(name)
		fmt.Fprintf(h, "link %q %q\n", below, target)
		return err
	}
	sum, err := Digest(name)
	fmt.Fprintf(h, "file %q %t %s\n", below, info.Mode()&0o100 != 0, sum)
	return err
}

// commit is that of a directory which is a checkout of Git's, unless it was changed since.
func commit(dir string) (string, error) {
	state, err := source.Describe(dir)
	if err != nil || !state.Clean {
		return "", err
	}
	return state.Commit, nil
}
