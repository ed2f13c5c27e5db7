package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// pool keeps .debs by digest, in a directory that several builds may share.
type pool struct {
	dir string
	patience
}

// patience is what a slow or broken mirror costs at most.
type patience struct {
	connections int           // at a time
	attempts    int           // for one file
	pause       time.Duration // before the second attempt; it doubles with each
	stall       time.Duration // without a byte
}

func newPool(dir string) pool {
	return pool{dir, patience{connections: 6, attempts: 4, pause: time.Second, stall: 30 * time.Second}}
}

func (p pool) path(pkg Package) string { return filepath.Join(p.dir, pkg.SHA256+".deb") }

// fetch downloads the packages that the pool does not have. done is called for every package that is there, and told
// whether it was downloaded.
func (p pool) fetch(ctx context.Context, pkgs []Package, done func(pkg Package, downloaded bool)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(p.connections)
	for _, pkg := range pkgs {
		group.Go(func() error {
			downloaded := false
			err := produce(ctx, p.path(pkg), func(f *os.File) error {
				downloaded = true
				return p.retry(ctx, pkg, f)
			})
			if err != nil {
				return fmt.Errorf("download %s from %s: %w", pkg, pkg.URL, err)
			}
			done(pkg, downloaded)
			return nil
		})
	}
	return group.Wait()
}

// retry downloads a package into a file, which may hold its beginning, until digest and size are right.
func (p patience) retry(ctx context.Context, pkg Package, f *os.File) error {
	pause := p.pause
	for attempt := 1; ; attempt++ {
		err := p.download(ctx, pkg, f)
		if err == nil {
			err = verify(pkg, f)
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		if status := (statusError{}); errors.As(err, &status) && status.code/100 == 4 {
			return err
		}
		if attempt == p.attempts {
			return fmt.Errorf("%w (%d attempts)", err, p.attempts)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
			pause *= 2
		}
	}
}

// statusError is an answer that is not the file.
type statusError struct {
	code   int
	status string
}

func (e statusError) Error() string { return "the mirror answers " + e.status }

func (e statusError) gone() bool { return e.code == http.StatusNotFound || e.code == http.StatusGone }

// download appends to f what it lacks of a package.
func (p patience) download(ctx context.Context, pkg Package, f *os.File) error {
	have, err := f.Seek(0, io.SeekEnd)
	if err != nil || have == pkg.Size {
		return err
	}
	if have > pkg.Size {
		have = 0
		if err := f.Truncate(0); err != nil {
			return err
		}
	}
	if name, ok := strings.CutPrefix(pkg.URL, "file:"); ok { // apt writes file:/path
		return copyFile(f, "/"+strings.TrimLeft(name, "/"))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(p.stall, func() { cancel(fmt.Errorf("the mirror sent nothing for %s", p.stall)) })
	defer stalled.Stop()
	body, err := get(ctx, pkg.URL, &have)
	if err != nil {
		return cause(ctx, err)
	}
	defer body.Close()
	if err := f.Truncate(have); err != nil {
		return err
	}
	if _, err := f.Seek(have, io.SeekStart); err != nil {
		return err
	}
	limited := io.LimitReader(body, pkg.Size-have+1) // one more, so that a longer file is seen to be one
	_, err = io.Copy(f, readerFunc(func(b []byte) (int, error) {
		stalled.Reset(p.stall)
		return limited.Read(b)
	}))
	return cause(ctx, err)
}

// get asks for a file from an offset on. A server that knows no ranges answers from the beginning, and *from is 0.
func get(ctx context.Context, url string, from *int64) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if *from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", *from))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		*from = 0
		return resp.Body, nil
	case http.StatusPartialContent:
		return resp.Body, nil
	}
	return nil, errors.Join(statusError{resp.StatusCode, resp.Status}, resp.Body.Close())
}

// cause is why a context ended rather than that it did.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func copyFile(to *os.File, name string) error {
	path, err := url.PathUnescape(name)
	if err != nil {
		return err
	}
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	if err := to.Truncate(0); err != nil {
		return err
	}
	if _, err := to.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return err
}

// verify checks a downloaded package, and empties the file where it is wrong. One that is too short stays, so that
// the next attempt goes on from there.
func verify(pkg Package, f *os.File) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return err
	}
	if size < pkg.Size {
		return fmt.Errorf("the mirror sent %d of %d bytes", size, pkg.Size)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != pkg.SHA256 {
		return errors.Join(fmt.Errorf("its SHA-256 is %s, not %s", got, pkg.SHA256), f.Truncate(0))
	}
	return f.Sync()
}
