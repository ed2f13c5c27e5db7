package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/types"
)

// session downloads one image from its endpoints. Several layers may be downloaded at the same time.
type session struct {
	Client
	ref         Reference
	want        digest.Digest // of the manifest or the index; empty: any
	connections []*connection // by endpoint, in the order in which to try
	tmp         string        // a directory of its own

	mu    sync.Mutex
	first int // index of the first endpoint to try: those before it failed
}

// session returns a new session, which the caller must close.
func (c Client) session(ref Reference, want digest.Digest) (*session, error) {
	if err := os.MkdirAll(c.Blobs.Dir, 0o755); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(c.Blobs.Dir, "source-*.part")
	if err != nil {
		return nil, err
	}
	s := &session{Client: c, ref: ref, want: want, tmp: tmp}
	sys := types.SystemContext{}
	if c.System != nil {
		sys = *c.System
	}
	sys.BigFilesTemporaryDir = tmp
	sys.AuthFilePath = cmp.Or(sys.AuthFilePath, os.Getenv("REGISTRY_AUTH_FILE")) // as podman and skopeo do
	all, err := ref.endpoints(&sys, c.Dir, tmp, want)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(tmp))
	}
	for _, e := range all {
		s.connections = append(s.connections, &connection{endpoint: e})
	}
	return s, nil
}

func (s *session) close() error {
	var errs []error
	for _, c := range s.connections {
		errs = append(errs, c.close())
	}
	return errors.Join(append(errs, os.RemoveAll(s.tmp))...)
}

// operation is what a session does over a connection. It calls received with the number of bytes that arrived.
type operation func(ctx context.Context, c *connection, received func(int)) error

// try runs an operation over one connection after the other until it succeeds. size returns how many bytes of the result
// there are so far.
func (s *session) try(ctx context.Context, size func() int64, do operation) error {
	failed := map[int]error{}
	for at := s.start(); at < len(s.connections); at++ {
		c := s.connections[at]
		permanent := func(err error) bool { return c.local || isPermanent(err) || isRefusal(err) }
		err := s.Retry.Do(ctx, permanent, size, func(ctx context.Context) error { return s.attempt(ctx, c, do) })
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil || isPermanent(err) {
			return err
		}
		failed[at] = err
		s.skip(at)
	}
	return s.failure(ctx, failed)
}

// failure returns the error of all endpoints.
func (s *session) failure(ctx context.Context, failed map[int]error) error {
	var errs []error
	for _, at := range slices.Sorted(maps.Keys(failed)) {
		e := s.connections[at].endpoint
		errs = append(errs, fmt.Errorf("%s: %w", e.name, s.explain(ctx, e, failed[at])))
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return fmt.Errorf("all %d mirrors failed:\n%w", len(errs), errors.Join(errs...))
}

func (s *session) start() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first
}

// skip makes later operations begin after an endpoint that failed.
func (s *session) skip(at int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at == s.first && !s.connections[at].last {
		s.first++
	}
}

// attempt runs an operation once, with a stall limit.
func (s *session) attempt(ctx context.Context, c *connection, do operation) error {
	ctx, received, stop := withStallLimit(ctx, s.Retry.StallTimeout, c.endpoint)
	defer stop()
	err := do(ctx, c, received)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// permanentError is an error that no other attempt and no other endpoint would change.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

func isPermanent(err error) bool {
	return errors.As(err, &permanentError{}) || errors.Is(err, syscall.ENOSPC)
}
