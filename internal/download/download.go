// Package fetch downloads files that are known by their digests, over HTTP or from the disk, with patience: what is
// broken off goes on where it stopped, what stalls or is wrong is tried again.
package download

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
	"strings"
	"syscall"
	"time"
)

// File is a file that somebody serves.
type File struct {
	URL    string // http, https or file
	SHA256 string // in hexadecimal
	Size   int64  // in bytes; 0: not known
}

// Patience is what a slow or broken server costs at most.
type Patience struct {
	Attempts int           // for one file
	Pause    time.Duration // before the second attempt; it doubles with each
	Stall    time.Duration // without a byte
}

// Patient is what suits servers on the internet.
func Patient() Patience { return Patience{Attempts: 4, Pause: time.Second, Stall: 30 * time.Second} }

// Fetch downloads a file into f, which may hold its beginning, until its digest is right. progress is told how many
// bytes of how many are there; it may be nil.
func (p Patience) Fetch(ctx context.Context, file File, f *os.File, progress func(done, total int64)) error {
	pause := p.Pause
	for attempt := 1; ; attempt++ {
		err := p.download(ctx, file, f, progress)
		if err == nil {
			err = file.verify(f)
		}
		if err == nil || ctx.Err() != nil || errors.Is(err, syscall.ENOSPC) {
			return err
		}
		if status := (statusError{}); errors.As(err, &status) && status.code/100 == 4 {
			return err
		}
		if attempt == p.Attempts {
			return fmt.Errorf("%w (%d attempts)", err, p.Attempts)
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

// Gone tells whether an error says that a server does not have the file any more.
func Gone(err error) bool {
	status := statusError{}
	return errors.As(err, &status) && (status.code == http.StatusNotFound || status.code == http.StatusGone)
}

// download appends to f what it lacks of a file.
func (p Patience) download(ctx context.Context, file File, f *os.File, progress func(done, total int64)) error {
	have, err := f.Seek(0, io.SeekEnd)
	if err != nil || have == file.Size && have > 0 {
		return err
	}
	if have > file.Size && file.Size > 0 {
		have = 0
	}
	if name, ok := strings.CutPrefix(file.URL, "file:"); ok { // apt writes file:/path
		return copyFile(f, "/"+strings.TrimLeft(name, "/"))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(p.Stall, func() { cancel(fmt.Errorf("the mirror sent nothing for %s", p.Stall)) })
	defer stalled.Stop()
	body, rest, err := get(ctx, file.URL, &have)
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
	in, total := io.Reader(body), have+rest
	if file.Size > 0 {
		total = file.Size
		in = io.LimitReader(body, file.Size-have+1) // one more, so that a longer file is seen to be one
	}
	_, err = io.Copy(f, readerFunc(func(b []byte) (int, error) {
		stalled.Reset(p.Stall)
		n, err := in.Read(b)
		if have += int64(n); progress != nil {
			progress(have, total)
		}
		return n, err
	}))
	return cause(ctx, err)
}

// get asks for a file from an offset on, and is told how many bytes come. A server that knows no ranges answers from the
// beginning, and *from is 0; one that has no more than what is there already answers with nothing.
func get(ctx context.Context, url string, from *int64) (body io.ReadCloser, rest int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, err
	}
	if *from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", *from))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, 0, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		*from = 0
		return resp.Body, resp.ContentLength, nil
	case http.StatusPartialContent:
		return resp.Body, resp.ContentLength, nil
	case http.StatusRequestedRangeNotSatisfiable:
		return http.NoBody, 0, resp.Body.Close()
	}
	return nil, 0, errors.Join(statusError{resp.StatusCode, resp.Status}, resp.Body.Close())
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

// verify checks a downloaded file, and empties the file where it is wrong. One that is too short stays, so that
// the next attempt goes on from there.
func (file File) verify(f *os.File) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return err
	}
	if size < file.Size {
		return fmt.Errorf("the mirror sent %d of %d bytes", size, file.Size)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != file.SHA256 {
		return errors.Join(fmt.Errorf("its SHA-256 is %s, not %s", got, file.SHA256), f.Truncate(0))
	}
	return f.Sync()
}
