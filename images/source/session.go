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
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/types"
)

// session asks the places of one image, one after the other. Several layers may be fetched in it at the same time.
type session struct {
	Client
	ref    Reference
	want   digest.Digest // of the manifest or the index; empty: any
	places []place
	tmp    string // directory of its own

	mu    sync.Mutex
	first int                       // place that is asked first: what comes before has failed
	open  map[int]types.ImageSource // by place
}

// session begins one, which must be closed.
func (c Client) session(ref Reference, want digest.Digest) (*session, error) {
	if err := os.MkdirAll(c.Blobs.Dir, 0o755); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(c.Blobs.Dir, "source-*.part")
	if err != nil {
		return nil, err
	}
	s := &session{Client: c, ref: ref, want: want, tmp: tmp, open: map[int]types.ImageSource{}}
	sys := types.SystemContext{}
	if c.System != nil {
		sys = *c.System
	}
	sys.BigFilesTemporaryDir = tmp
	sys.AuthFilePath = cmp.Or(sys.AuthFilePath, os.Getenv("REGISTRY_AUTH_FILE")) // as podman and skopeo do
	if s.places, err = ref.places(&sys, c.Dir, tmp, want); err != nil {
		return nil, errors.Join(err, os.RemoveAll(tmp))
	}
	return s, nil
}

func (s *session) close() error {
	var errs []error
	for _, src := range s.open {
		errs = append(errs, src.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(s.tmp))...)
}

// source opens a place, once.
func (s *session) source(ctx context.Context, at int) (types.ImageSource, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if src := s.open[at]; src != nil {
		return src, nil
	}
	src, err := s.places[at].ref.NewImageSource(ctx, s.places[at].sys)
	if err == nil {
		s.open[at] = src
	}
	return src, err
}

// drop closes a source that nobody else uses: the next visit to the place opens it anew.
func (s *session) drop(src types.ImageSource) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.open, func(_ int, other types.ImageSource) bool { return other == src })
	return src.Close()
}

// visit is what is done at a place. It tells alive of bytes that came.
type visit func(ctx context.Context, src types.ImageSource, p place, alive func(int)) error

// try makes a visit to the places until one succeeds. made counts what was achieved so far, in bytes.
func (s *session) try(ctx context.Context, made func() int64, do visit) error {
	failed := map[int]error{}
	for at := s.start(); at < len(s.places); at++ {
		err := s.insist(ctx, at, made, do)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil || hopeless(err) {
			return err
		}
		failed[at] = err
		s.leave(at)
	}
	return s.failure(ctx, failed)
}

// failure says what was wrong with each place.
func (s *session) failure(ctx context.Context, failed map[int]error) error {
	var errs []error
	for _, at := range slices.Sorted(maps.Keys(failed)) {
		errs = append(errs, fmt.Errorf("%s: %w", s.places[at].name, s.explain(ctx, s.places[at], failed[at])))
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return fmt.Errorf("none of %d places gives it:\n%w", len(errs), errors.Join(errs...))
}

func (s *session) start() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first
}

// leave has others that come begin behind a place.
func (s *session) leave(at int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at == s.first && !s.places[at].last {
		s.first++
	}
}

// enough is how many bytes make it worth while to go on with a connection that breaks again and again.
const enough = 1 << 20

// insist makes a visit to one place, several times if need be.
func (s *session) insist(ctx context.Context, at int, made func() int64, do visit) error {
	p, pause := s.places[at], s.Patience.Pause
	for attempt := 1; ; attempt++ {
		before := made()
		err := s.visit(ctx, at, do)
		switch {
		case err == nil || ctx.Err() != nil || p.local || hopeless(err) || final(err):
			return err
		case made()-before >= enough:
			attempt, pause = 0, s.Patience.Pause
		case attempt >= s.Patience.Attempts:
			return fmt.Errorf("%w (%d attempts)", err, attempt)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
			pause *= 2
		}
	}
}

// visit makes one, and ends it where the place stalls.
func (s *session) visit(ctx context.Context, at int, do visit) error {
	ctx, alive, stop := watched(ctx, s.Patience.Stall, s.places[at])
	defer stop()
	src, err := s.source(ctx, at)
	if err == nil {
		err = do(ctx, src, s.places[at], alive)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// settled is an error that no other attempt and no other place would change.
type settled struct{ error }

func (e settled) Unwrap() error { return e.error }

func hopeless(err error) bool {
	return errors.As(err, &settled{}) || errors.Is(err, syscall.ENOSPC)
}
