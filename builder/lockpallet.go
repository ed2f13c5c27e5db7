package builder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/PlanktoScope/pkbuild/recipes"
)

func lockedPallets(ctx context.Context, r *recipes.Recipe) ([]LockedPallet, error) {
	var out []LockedPallet
	for _, l := range r.Layers {
		if l.Stage == nil {
			continue
		}
		dir := filepath.Join(r.Dir, l.Stage.Pallet)
		sum, err := digestDir(dir)
		if err != nil {
			return nil, fmt.Errorf("pallet %s: %w", l.Stage.Pallet, err)
		}
		out = append(out, LockedPallet{Path: filepath.ToSlash(l.Stage.Pallet), SHA256: sum, Commit: commit(ctx, dir)})
	}
	return out, nil
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

// commit is that of a directory which is a checkout of git's, unless it was changed since.
func commit(ctx context.Context, dir string) string {
	if _, err := os.Lstat(filepath.Join(dir, ".git")); err != nil {
		return "" // a part of a larger one, whose commit tells nothing of this part
	}
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	if changes, err := git("status", "--porcelain"); err != nil || changes != "" {
		return ""
	}
	head, err := git("rev-parse", "HEAD")
	if err != nil {
		return ""
	}
	return head
}
