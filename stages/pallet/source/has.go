package source

import (
	"context"
	"errors"

	"github.com/go-git/go-git/v5/plumbing"
)

// Has reports whether the Git repository of a pallet has a commit. If the repository is in the cache Has does not fetch it,
// and so returns false for commits that are newer than the cache.
func (s Source) Has(ctx context.Context, path, commit string) (bool, error) {
	repo, _, err := s.open(ctx, path)
	if err != nil {
		return false, err
	}
	_, err = repo.CommitObject(plumbing.NewHash(commit))
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return false, nil
	}
	return err == nil, err
}
