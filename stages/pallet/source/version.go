package source

import (
	"errors"
	"fmt"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"golang.org/x/mod/semver"

	"github.com/PlanktoScope/pkbuild/stages/pallet"
)

// timestamp returns the time of a commit in the format of locks.
func timestamp(c *object.Commit) string { return c.Committer.When.UTC().Format("20060102150405") }

// tagged returns the commit of a tag.
func tagged(repo *git.Repository, name string) (plumbing.Hash, error) {
	ref, err := repo.Tag(name)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	return peel(repo, ref)
}

// peel returns the commit of a reference to a commit or an annotated tag.
func peel(repo *git.Repository, ref *plumbing.Reference) (plumbing.Hash, error) {
	tag, err := repo.TagObject(ref.Hash())
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return ref.Hash(), nil
	}
	if err != nil {
		return plumbing.ZeroHash, err
	}
	commit, err := tag.Commit()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	return commit.Hash, nil
}

// versions returns the tags that are semantic versions by their commits: the highest of each commit.
func versions(repo *git.Repository) (map[plumbing.Hash]string, error) {
	all, err := repo.Tags()
	if err != nil {
		return nil, err
	}
	found := map[plumbing.Hash]string{}
	err = all.ForEach(func(ref *plumbing.Reference) error {
		name := ref.Name().Short()
		if !semver.IsValid(name) || semver.Canonical(name)+semver.Build(name) != name {
			return nil
		}
		commit, err := peel(repo, ref)
		if err == nil && semver.Compare(name, found[commit]) > 0 {
			found[commit] = name
		}
		return nil // tags of trees and blobs are skipped
	})
	return found, err
}

// lockOf returns the lock of a commit: its highest version, or a pseudoversion after the highest version among its ancestors.
func lockOf(repo *git.Repository, hash plumbing.Hash) (pallet.Lock, error) {
	commit, err := repo.CommitObject(hash)
	if err != nil {
		return pallet.Lock{}, fmt.Errorf("commit %s: %w", hash, err)
	}
	tags, err := versions(repo)
	if err != nil {
		return pallet.Lock{}, err
	}
	lock := pallet.Lock{Type: pallet.LockPseudoversion, Timestamp: timestamp(commit), Commit: hash.String()}
	if tag := tags[hash]; tag != "" {
		lock.Type, lock.Tag = pallet.LockVersion, tag
		return lock, nil
	}
	lock.Tag, err = highestBefore(repo, hash, tags)
	return lock, err
}

// highestBefore returns the highest version among the ancestors of a commit, or "". The history may be incomplete.
func highestBefore(repo *git.Repository, from plumbing.Hash, tags map[plumbing.Hash]string) (string, error) {
	highest := ""
	if len(tags) == 0 {
		return "", nil
	}
	all, err := repo.Log(&git.LogOptions{From: from})
	if err != nil {
		return "", err
	}
	left := len(tags)
	err = all.ForEach(func(c *object.Commit) error {
		if tag, ok := tags[c.Hash]; ok {
			left--
			if semver.Compare(tag, highest) > 0 {
				highest = tag
			}
		}
		if left == 0 {
			return storer.ErrStop
		}
		return nil
	})
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		err = nil
	}
	return highest, err
}

// State is the version and commit of a Git working tree, and whether it has changed files.
type State struct {
	Version string // in the format of a lock; "" if the directory is not a repository or has no commit
	Commit  string
	Clean   bool // no file differs from the commit
}

// Describe returns the version and commit of a pallet's Git working tree, and whether files differ from the commit;
// untracked files that Git does not ignore differ. If dir is not the top of a repository, or the repository has no commit,
// it returns the zero State.
func Describe(dir string) (State, error) {
	repo, err := git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{EnableDotGitCommonDir: true})
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return State{}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("open the repository %s: %w", dir, err)
	}
	head, err := repo.Head()
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return State{}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("read the head of %s: %w", dir, err)
	}
	lock, err := lockOf(repo, head.Hash())
	if err != nil {
		return State{}, fmt.Errorf("describe %s: %w", dir, err)
	}
	clean, err := isClean(repo)
	if err != nil {
		return State{}, fmt.Errorf("compare %s with its commit: %w", dir, err)
	}
	return State{Version: lock.Version(), Commit: lock.Commit, Clean: clean}, nil
}

func isClean(repo *git.Repository) (bool, error) {
	tree, err := repo.Worktree()
	if err != nil {
		return false, err
	}
	status, err := tree.Status()
	return status.IsClean(), err
}
