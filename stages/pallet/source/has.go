package source

import (
	"context"
	"errors"

	"github.com/go-git/go-git/v5/plumbing"
)

// Has reports whether the repository of a pallet has a commit. A repository that was fetched before is not fetched again.
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
