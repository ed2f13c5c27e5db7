package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"

	"github.com/PlanktoScope/pkbuild/internal/waiting"
)

// DefaultStallTimeout is how long a Git server may send nothing.
const DefaultStallTimeout = time.Minute

// errOffline is returned for what would have to be fetched.
var errOffline = errors.New("repository is not in the cache, and --offline forbids to fetch it")

// fetch updates the repository in a directory. The repository does not store the URL, which may contain a password.
func (s Source) fetch(ctx context.Context, repo *git.Repository, dir, path string) error {
	if s.Offline {
		return fmt.Errorf("fetch %s: %w", path, errOffline)
	}
	place := s.URL(path)
	login, err := auth(place)
	if err == nil {
		p := &progress{dir: filepath.Join(dir, "objects", "pack")}
		watched, stop := waiting.Watch(ctx, redacted(place), cmp.Or(s.StallTimeout, DefaultStallTimeout), p.count)
		defer stop()
		remote := git.NewRemote(repo.Storer, &config.RemoteConfig{Name: "origin", URLs: []string{place}})
		err = interruptible(watched, func() error {
			return remote.FetchContext(watched, &git.FetchOptions{
				RefSpecs: []config.RefSpec{"+refs/*:refs/*"}, Tags: git.AllTags, Force: true, Prune: true, Auth: login, Progress: p,
			})
		})
	}
	if err != nil && !errors.Is(err, git.NoErrAlreadyUpToDate) {
		return fmt.Errorf("fetch %s from %s: %w", path, redacted(place), explain(err))
	}
	return nil
}

// interruptible runs f, and returns the cause of the context when that ends first: go-git does not end a connection over
// ssh on which the server is silent.
func interruptible(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	case <-ctx.Done():
	}
	select {
	case <-done: // so that f no longer writes to its directory
	case <-time.After(time.Second):
	}
	return context.Cause(ctx)
}

// progress measures a fetch, of which go-git reports little.
type progress struct {
	dir      string // into which the pack is written
	messages atomic.Int64
}

// Write receives the messages that the Git server sends during a fetch, as a sign of progress.
func (p *progress) Write(data []byte) (int, error) {
	p.messages.Add(int64(len(data)))
	return len(data), nil
}

// count grows as long as the server sends something, or this process computes: resolving the deltas of a large pack takes
// a slow device minutes.
func (p *progress) count() int64 {
	n := p.messages.Load()
	entries, _ := os.ReadDir(p.dir) // it may not exist yet
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			n += info.Size()
		}
	}
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) == nil {
		n += int64(used.Utime.Sec)
	}
	return n
}
