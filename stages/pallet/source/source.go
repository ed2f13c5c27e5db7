package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/PlanktoScope/pkbuild/stages/pallet"
	"github.com/PlanktoScope/pkbuild/stages/pallet/internal/newdir"
	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
)

// Source finds pallets and repositories.
type Source struct {
	Cache   string // directory of what was found; it is made if it is missing
	Mirrors mirror.Mirrors
	Offline bool // nothing but the cache and mirrors in the file system is asked
}

// pathPattern is what names of pallets look like. They become paths in the cache and parts of URLs.
var pathPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~-]*(/[A-Za-z0-9_~][A-Za-z0-9._~-]*)+$`)

// Resolve is a directory with the files of a locked commit, read-only in so far as it is shared with others.
func (s Source) Resolve(ctx context.Context, r pallet.Requirement) (dir string, err error) {
	if !pathPattern.MatchString(r.Path) {
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

// commit finds a locked commit, and checks the lock against it.
func (s Source) commit(ctx context.Context, r pallet.Requirement) (*object.Commit, error) {
	repo, fresh, err := s.open(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	hash := plumbing.NewHash(r.Lock.Commit)
	commit, err := repo.CommitObject(hash)
	if errors.Is(err, plumbing.ErrObjectNotFound) && !fresh {
		if err := s.fetch(ctx, repo, r.Path); err != nil {
			return nil, err
		}
		commit, err = repo.CommitObject(hash)
	}
	if err != nil {
		return nil, fmt.Errorf("find commit %s of %s: %w", r.Lock.Commit, r.Path, err)
	}
	return commit, verify(repo, commit, r)
}

// verify checks what a lock says of its commit.
func verify(repo *git.Repository, commit *object.Commit, r pallet.Requirement) error {
	if at := timestamp(commit); at != r.Lock.Timestamp {
		return fmt.Errorf("the lock of %s says that commit %s is of %s, and it is of %s",
			r.Path, r.Lock.Commit, r.Lock.Timestamp, at)
	}
	if r.Lock.Tag == "" || r.Lock.Type != pallet.LockVersion {
		return nil
	}
	tagged, err := tagged(repo, r.Lock.Tag)
	switch {
	case errors.Is(err, git.ErrTagNotFound):
		return fmt.Errorf("the lock of %s says that tag %s is on commit %s, and there is no such tag", r.Path, r.Lock.Tag, r.Lock.Commit)
	case err != nil:
		return fmt.Errorf("read tag %s of %s: %w", r.Lock.Tag, r.Path, err)
	case tagged != commit.Hash:
		return fmt.Errorf("the lock of %s says that tag %s is on commit %s, and it is on %s",
			r.Path, r.Lock.Tag, r.Lock.Commit, tagged)
	}
	return nil
}

// URL is where a repository is fetched from.
func (s Source) URL(path string) string {
	if place, ok := s.Mirrors.Find(path); ok {
		return place
	}
	return "https://" + path
}

// localDir is the directory that a URL is of, if it is one of the file system.
func localDir(place string) (dir string, ok bool) {
	if filepath.IsAbs(place) {
		return place, true
	}
	u, err := url.Parse(place)
	if err != nil || u.Scheme != "file" {
		return "", false
	}
	return u.Path, true
}

// open opens a repository: one in the file system where it is, any other in the cache, into which it is fetched if it
// is not there. Fresh says that fetching again would bring nothing.
func (s Source) open(ctx context.Context, path string) (repo *git.Repository, fresh bool, err error) {
	place := s.URL(path)
	if dir, ok := localDir(place); ok {
		repo, err := openLocal(dir)
		if err != nil {
			return nil, false, fmt.Errorf("open %s: %s: %w", path, redacted(place), err)
		}
		return repo, true, nil
	}
	dir := filepath.Join(s.Cache, "mirrors", filepath.FromSlash(path))
	repo, err = git.PlainOpen(dir)
	if err == nil {
		return repo, false, nil
	}
	if !errors.Is(err, git.ErrRepositoryNotExists) {
		return nil, false, fmt.Errorf("open %s: %s: %w", path, dir, err)
	}
	repo, err = s.clone(ctx, path, dir)
	return repo, true, err
}

// openLocal opens a repository, bare or not, with or without .git at the end of its name.
func openLocal(dir string) (*git.Repository, error) {
	repo, err := git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{EnableDotGitCommonDir: true})
	if errors.Is(err, git.ErrRepositoryNotExists) && !strings.HasSuffix(dir, ".git") {
		if bare, err := git.PlainOpen(dir + ".git"); err == nil {
			return bare, nil
		}
	}
	return repo, err
}

// errOffline is why nothing is fetched.
var errOffline = errors.New("it is not in the cache, and --offline forbids to fetch it")

// clone fetches a repository into the cache, where it appears once it is whole.
func (s Source) clone(ctx context.Context, path, dir string) (*git.Repository, error) {
	err := replaceDir(dir, func(tmp string) error {
		repo, err := git.PlainInit(tmp, true)
		if err != nil {
			return err
		}
		return s.fetch(ctx, repo, path)
	})
	if err != nil {
		return nil, err
	}
	return git.PlainOpen(dir)
}

// fetch brings a repository in the cache up to date. It is not written down there where from: a URL may have a password.
func (s Source) fetch(ctx context.Context, repo *git.Repository, path string) error {
	if s.Offline {
		return fmt.Errorf("fetch %s: %w", path, errOffline)
	}
	place := s.URL(path)
	login, err := auth(place)
	if err == nil {
		remote := git.NewRemote(repo.Storer, &config.RemoteConfig{Name: "origin", URLs: []string{place}})
		err = remote.FetchContext(ctx, &git.FetchOptions{
			RefSpecs: []config.RefSpec{"+refs/*:refs/*"}, Tags: git.AllTags, Force: true, Prune: true, Auth: login,
		})
	}
	if err != nil && !errors.Is(err, git.NoErrAlreadyUpToDate) {
		return fmt.Errorf("fetch %s from %s: %w", path, redacted(place), explain(err))
	}
	return nil
}

// replaceDir makes a directory of the cache. If somebody else was faster, theirs is as good.
func replaceDir(dir string, fill func(tmp string) error) error {
	err := newdir.Make(dir, fill)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// splitQuery cuts PATH@QUERY.
func splitQuery(text string) (path, query string, err error) {
	path, query, _ = strings.Cut(text, "@")
	if !pathPattern.MatchString(path) || query == "" {
		return "", "", fmt.Errorf("%q is not of the form PATH@QUERY, such as "+
			"github.com/PlanktoScope/pallet-standard@v2024.0.0, where the query is a branch, a tag or the beginning of a commit", text)
	}
	return path, query, nil
}

// Find locks the commit that PATH@QUERY means now. The query is a tag, a branch or the beginning of a commit.
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
		if err := s.fetch(ctx, repo, path); err != nil {
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

// find is the commit that a query means.
func find(repo *git.Repository, query string) (plumbing.Hash, error) {
	if hash, err := tagged(repo, query); err == nil {
		return hash, nil
	}
	for _, name := range []plumbing.ReferenceName{
		plumbing.NewBranchReferenceName(query), plumbing.NewRemoteReferenceName("origin", query),
	} {
		if ref, err := repo.Reference(name, true); err == nil {
			return ref.Hash(), nil
		}
	}
	if regexp.MustCompile(`^[0-9a-f]{4,40}$`).MatchString(query) {
		return findCommit(repo, query)
	}
	return plumbing.ZeroHash, errors.New("there is no such tag or branch")
}

func findCommit(repo *git.Repository, prefix string) (plumbing.Hash, error) {
	all, err := repo.CommitObjects()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	var found []plumbing.Hash
	err = all.ForEach(func(c *object.Commit) error {
		if strings.HasPrefix(c.Hash.String(), prefix) && !slices.Contains(found, c.Hash) {
			found = append(found, c.Hash)
		}
		return nil
	})
	switch {
	case err != nil:
		return plumbing.ZeroHash, err
	case len(found) == 0:
		return plumbing.ZeroHash, errors.New("there is no such tag, branch or commit")
	case len(found) > 1:
		return plumbing.ZeroHash, fmt.Errorf("%d commits begin so", len(found))
	}
	return found[0], nil
}
