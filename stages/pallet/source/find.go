package source

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// find returns the commit to which a query points.
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
	return plumbing.ZeroHash, errors.New("repository has no such tag or branch")
}

// findCommit returns the only commit whose hash begins with a prefix.
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
		return plumbing.ZeroHash, errors.New("repository has no such tag, branch or commit")
	case len(found) > 1:
		return plumbing.ZeroHash, fmt.Errorf("%d commits begin with these digits: give more", len(found))
	}
	return found[0], nil
}
