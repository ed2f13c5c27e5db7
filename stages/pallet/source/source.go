package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/PlanktoScope/pkbuild/stages/pallet"
	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
)

// Source fetches pallets and package repositories from Git into a cache.
type Source struct {
	Cache        string // directory of fetched repositories and checked-out commits; created if it does not exist
	Mirrors      mirror.Mirrors
	Offline      bool          // use the cache and mirrors in the file system only
	StallTimeout time.Duration // a fetch fails after this time without progress; 0: DefaultStallTimeout
}

// Resolve returns a directory with the files of the commit that a requirement locks. Unless the directory is in the cache
// already, it fails if the repository lacks the commit, or has it with another timestamp or tag. The directory is shared
// with other processes and must not be changed.
func (s Source) Resolve(ctx context.Context, r pallet.Requirement) (dir string, err error) {
	if !pallet.ValidPath(r.Path) {
		return "", fmt.Errorf("%q is not the path of a pallet, such as github.com/PlanktoScope/pallet-standard", r.Path)
	}
	dir = filepath.Join(s.Cache, "trees", filepath.FromSlash(r.Path)+"@"+r.Lock.Version()+"+"+r.Lock.Commit)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	commit, err := s.commit(ctx, r)
	if err != nil {
		return "", err
	}
	return dir, checkout(commit, dir)
}

// commit returns a locked commit, which it fetches if necessary, and verifies the lock.
func (s Source) commit(ctx context.Context, r pallet.Requirement) (*object.Commit, error) {
	repo, fresh, err := s.open(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	hash := plumbing.NewHash(r.Lock.Commit)
	commit, err := repo.CommitObject(hash)
	if errors.Is(err, plumbing.ErrObjectNotFound) && !fresh {
		if err := s.update(ctx, repo, r.Path); err != nil {
			return nil, err
		}
		commit, err = repo.CommitObject(hash)
	}
	if err != nil {
		return nil, fmt.Errorf("find commit %s of %s: %w", r.Lock.Commit, r.Path, err)
	}
	return commit, verify(repo, commit, r)
}

// verify checks the timestamp and the tag of a lock against its commit.
func verify(repo *git.Repository, commit *object.Commit, r pallet.Requirement) error {
	if at := timestamp(commit); at != r.Lock.Timestamp {
		return fmt.Errorf("lock of %s: timestamp is %s, but that of commit %s is %s",
			r.Path, r.Lock.Timestamp, r.Lock.Commit, at)
	}
	if r.Lock.Tag == "" || r.Lock.Type != pallet.LockVersion {
		return nil
	}
	tagged, err := tagged(repo, r.Lock.Tag)
	switch {
	case errors.Is(err, git.ErrTagNotFound):
		return fmt.Errorf("lock of %s: tag %s of commit %s does not exist", r.Path, r.Lock.Tag, r.Lock.Commit)
	case err != nil:
		return fmt.Errorf("read tag %s of %s: %w", r.Lock.Tag, r.Path, err)
	case tagged != commit.Hash:
		return fmt.Errorf("lock of %s: tag %s is on commit %s in the lock, but on %s in the repository",
			r.Path, r.Lock.Tag, r.Lock.Commit, tagged)
	}
	return nil
}

// splitQuery splits PATH@QUERY.
func splitQuery(text string) (path, query string, err error) {
	path, query, _ = strings.Cut(text, "@")
	if !pallet.ValidPath(path) || query == "" {
		return "", "", fmt.Errorf("%q is not of the form PATH@QUERY, such as "+
			"github.com/PlanktoScope/pallet-standard@v2024.0.0, where the query is a branch, a tag or the beginning of a commit", text)
	}
	return path, query, nil
}

// Find resolves PATH@QUERY, a pallet's path and a tag, a branch or the beginning of a commit, to a locked version: the
// commit to which the query points. It fetches the repository first, unless Offline is set. It fails if there is no such
// commit.
func (s Source) Find(ctx context.Context, text string) (pallet.Requirement, error) {
	path, query, err := splitQuery(text)
	if err != nil {
		return pallet.Requirement{}, err
	}
	repo, fresh, err := s.open(ctx, path)
	if err != nil {
		return pallet.Requirement{}, err
	}
	if !fresh && !s.Offline {
		if err := s.update(ctx, repo, path); err != nil {
			return pallet.Requirement{}, err
		}
	}
	hash, err := find(repo, query)
	if err != nil {
		return pallet.Requirement{}, fmt.Errorf("find %q in %s: %w", query, path, err)
	}
	lock, err := lockOf(repo, hash)
	if err != nil {
		return pallet.Requirement{}, fmt.Errorf("lock %s: %w", text, err)
	}
	return pallet.Requirement{Path: path, Lock: lock}, nil
}
