// Package download downloads single files over HTTP: it retries, resumes interrupted transfers, ends stalled ones and
// verifies digests. It does not decide where a file is cached; atomicfile.Produce does.
package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/ctxio"
	"github.com/PlanktoScope/pkbuild/internal/sha256sum"
	"github.com/PlanktoScope/pkbuild/internal/waiting"
)

// File is the URL of a file to download, with its SHA-256 and size if they are known.
type File struct {
	URL    string // http, https or file
	SHA256 string // in hexadecimal; empty: not verified
	Size   int64  // in bytes; 0: unknown
}

// Options are the retries, HTTP client, size limit and progress callback of a download. All but Retry may be left at
// zero.
type Options struct {
	Retry    Retry
	Client   *http.Client            // nil: http.DefaultClient
	MaxSize  int64                   // in bytes; a larger file is ErrTooLarge; 0: no limit
	Progress func(done, total int64) // called for each piece with numbers of bytes; total is -1 if unknown
}

// ErrTooLarge is returned for a file with more than Options.MaxSize bytes.
var ErrTooLarge = errors.New("file to download is too large")

// Fetch downloads a file into the open file to, and syncs it. It fails if what it got has another SHA-256 or is shorter than
// file says. If the SHA-256 is known, to may hold the beginning of the file, from an earlier Fetch, and the download resumes
// there; otherwise Fetch empties to first, and resumes only within this call, if the server identifies the file by an ETag.
// After an error to is empty or holds a beginning of the file.
func Fetch(ctx context.Context, file File, to *os.File, o Options) error {
	t := &transfer{file: file, to: to, o: o}
	if t.o.Client == nil {
		t.o.Client = http.DefaultClient
	}
	if file.SHA256 == "" {
		if err := to.Truncate(0); err != nil {
			return err
		}
	}
	permanent := func(err error) bool { return IsPermanent(err) || strings.HasPrefix(file.URL, "file:") }
	err := o.Retry.Do(ctx, permanent, t.size, func(ctx context.Context) error {
		if err := t.attempt(ctx); err != nil {
			return err
		}
		return t.verify(ctx)
	})
	if err != nil {
		return err
	}
	return to.Sync()
}

// transfer is the state of a download between attempts.
type transfer struct {
	file File
	to   *os.File
	o    Options
	etag string // of the content of to; empty: none
}

// size returns how many bytes were written; -1: unknown.
func (t *transfer) size() int64 {
	info, err := t.to.Stat()
	if err != nil {
		return -1
	}
	return info.Size()
}

// attempt appends to t.to what it lacks of the file.
func (t *transfer) attempt(ctx context.Context) error {
	have, err := t.to.Seek(0, io.SeekEnd)
	if err != nil || have == t.file.Size && have > 0 {
		return err
	}
	if name, ok := strings.CutPrefix(t.file.URL, "file:"); ok { // apt writes file:/path
		return t.copyFile(ctx, "/"+strings.TrimLeft(name, "/"))
	}
	if have > t.file.Size && t.file.Size > 0 || t.file.SHA256 == "" && t.etag == "" {
		have = 0
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := t.o.Retry.StallTimeout
	timer := time.AfterFunc(stall, func() { cancel(fmt.Errorf("server sent nothing for %s", stall)) })
	defer timer.Stop()
	ctx, stop := waiting.Watch(ctx, redacted(t.file.URL), 0, t.size)
	defer stop()
	body, offset, length, err := t.get(ctx, have)
	if err != nil {
		return cause(ctx, err)
	}
	defer body.Close()
	total := int64(-1)
	if length >= 0 {
		total = offset + length
	}
	return cause(ctx, t.copy(readerFunc(func(b []byte) (int, error) {
		timer.Reset(stall)
		return body.Read(b)
	}), offset, total))
}

// redacted returns a URL without its password.
func redacted(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "the server"
	}
	return u.Redacted()
}

// get requests the file from an offset on. It returns the offset and the length of what the server sends: a server
// that ignores ranges sends all, and one that has no more bytes sends nothing. The length is -1 if it is unknown.
func (t *transfer) get(ctx context.Context, from int64) (body io.ReadCloser, offset, length int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.file.URL, nil)
	if err != nil {
		return nil, 0, 0, err
	}
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
		if t.etag != "" {
			req.Header.Set("If-Range", t.etag)
		}
	}
	resp, err := t.o.Client.Do(req)
	if err != nil {
		return nil, 0, 0, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		t.etag = ""
		if tag := resp.Header.Get("ETag"); strings.HasPrefix(tag, `"`) { // a weak one does not promise the same bytes
			t.etag = tag
		}
		return resp.Body, 0, resp.ContentLength, nil
	case http.StatusPartialContent:
		return resp.Body, from, resp.ContentLength, nil
	case http.StatusRequestedRangeNotSatisfiable:
		return http.NoBody, from, 0, resp.Body.Close()
	}
	return nil, 0, 0, errors.Join(&StatusError{resp.StatusCode, resp.Status}, resp.Body.Close())
}

// copy writes to t.to from an offset on, and cuts off what was there. It reads one byte more than the size of the file
// or the limit, so that a longer file is noticed.
func (t *transfer) copy(from io.Reader, offset, total int64) error {
	if err := t.to.Truncate(offset); err != nil {
		return err
	}
	if _, err := t.to.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	limit := t.o.MaxSize
	if t.file.Size > 0 {
		limit, total = t.file.Size, t.file.Size
	}
	if limit > 0 {
		from = io.LimitReader(from, limit-offset+1)
	}
	done := offset
	_, err := io.Copy(t.to, readerFunc(func(b []byte) (int, error) {
		n, err := from.Read(b)
		if done += int64(n); t.o.Progress != nil {
			t.o.Progress(done, total)
		}
		return n, err
	}))
	if err == nil && t.o.MaxSize > 0 && done > t.o.MaxSize {
		return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, t.o.MaxSize)
	}
	return err
}

func (t *transfer) copyFile(ctx context.Context, name string) error {
	path, err := url.PathUnescape(name)
	if err != nil {
		return err
	}
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	return t.copy(ctxio.Reader(ctx, from), 0, info.Size())
}

// verify checks the size and the digest. A wrong file is deleted; one that is too short is kept, to be resumed.
func (t *transfer) verify(ctx context.Context) error {
	if _, err := t.to.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if t.file.SHA256 == "" && t.file.Size == 0 {
		return nil
	}
	sum, size, err := sha256sum.Reader(ctx, t.to)
	if err != nil {
		return err
	}
	if size < t.file.Size {
		return fmt.Errorf("server sent %d of %d bytes", size, t.file.Size)
	}
	if t.file.SHA256 != "" && sum != t.file.SHA256 {
		t.etag = ""
		return errors.Join(fmt.Errorf("downloaded file has SHA-256 %s, want %s", sum, t.file.SHA256), t.to.Truncate(0))
	}
	return nil
}

// cause returns the reason for which a context ended instead of the fact that it did.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
