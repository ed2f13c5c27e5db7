package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5"

	"github.com/PlanktoScope/pkbuild/stages/pallet/internal/newdir"
)

// URL returns the URL from which a repository is fetched: that of a mirror, or https:// and its path.
func (s Source) URL(path string) string {
	if place, ok := s.Mirrors.Find(path); ok {
		return place
	}
	return "https://" + path
}

// localDir returns the directory of a URL and whether it has one.
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

// mirrorDir returns the directory of the cache for a fetched repository.
func (s Source) mirrorDir(path string) string {
	return filepath.Join(s.Cache, "mirrors", filepath.FromSlash(path))
}

// open opens a repository: one in the file system directly, any other in the cache, after a clone if it is not there. Fresh
// means that a fetch would bring nothing new.
func (s Source) open(ctx context.Context, path string) (repo *git.Repository, fresh bool, err error) {
	place := s.URL(path)
	if dir, ok := localDir(place); ok {
		repo, err := openLocal(dir)
		if err != nil {
			return nil, false, fmt.Errorf("open repository %s at %s: %w", path, redacted(place), err)
		}
		return repo, true, nil
	}
	dir := s.mirrorDir(path)
	repo, err = git.PlainOpen(dir)
	if err == nil {
		return repo, false, nil
	}
	if !errors.Is(err, git.ErrRepositoryNotExists) {
		return nil, false, fmt.Errorf("open repository %s at %s: %w", path, dir, err)
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

// clone fetches a repository into the cache, where it appears once it is complete.
func (s Source) clone(ctx context.Context, path, dir string) (*git.Repository, error) {
	err := replaceDir(dir, func(tmp string) error {
		repo, err := git.PlainInit(tmp, true)
		if err != nil {
			return err
		}
		return s.fetch(ctx, repo, tmp, path)
	})
	if err != nil {
		return nil, err
	}
	return git.PlainOpen(dir)
}

// update fetches what a repository in the cache lacks.
func (s Source) update(ctx context.Context, repo *git.Repository, path string) error {
	return s.fetch(ctx, repo, s.mirrorDir(path), path)
}

// replaceDir creates a directory of the cache. One that another process created meanwhile is as good.
func replaceDir(dir string, fill func(tmp string) error) error {
	err := newdir.Make(dir, fill)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
