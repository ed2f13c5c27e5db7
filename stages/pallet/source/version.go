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

// timestamp is when a commit was made, as locks have it.
func timestamp(c *object.Commit) string { return c.Committer.When.UTC().Format("20060102150405") }

// tagged is the commit that a tag is on.
func tagged(repo *git.Repository, name string) (plumbing.Hash, error) {
	ref, err := repo.Tag(name)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	return peel(repo, ref)
}

// peel is the commit that a reference to a commit or an annotated tag is to.
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

// versions are the tags of a repository that are versions, by the commits that they are on: of several the highest.
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
		return nil // a tag of something else than a commit is no version
	})
	return found, err
}

// lockOf locks a commit: by the highest version on it, else after the highest version before it, else without one.
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

// highestBefore is the highest version on an ancestor of a commit, "" if there is none. A history that was not fetched
// in full ends where it ends.
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

// State is what Git says of a directory.
type State struct {
	Version string // as that of a lock; "" if the directory is no repository or has no commit
	Commit  string
	Clean   bool // all is as committed
}

// Describe is what Git says of a directory that may be the top of a repository.
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
