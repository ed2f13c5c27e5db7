package download

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"syscall"
	"time"
)

// Retry says how often a failed download is repeated, after which pause, and after how long without data an attempt
// fails.
type Retry struct {
	Attempts     int           // the first included
	Backoff      time.Duration // before the second attempt; it doubles with each
	StallTimeout time.Duration // an attempt fails after this time without a byte
	// Notify is called before each wait, concurrently for concurrent downloads; nil: nobody is told.
	Notify func(err error, wait time.Duration)
}

// MinProgress is how many bytes an attempt has to add so that the attempts are counted from one again.
const MinProgress = 1 << 20

// DefaultRetry returns numbers of attempts and timeouts that suit servers on the internet.
func DefaultRetry() Retry {
	return Retry{Attempts: 4, Backoff: time.Second, StallTimeout: 30 * time.Second}
}

// Do calls attempt until it succeeds, fails with an error that permanent accepts, or fails r.Attempts times in a row. size
// returns the number of bytes received so far; an attempt that adds MinProgress bytes starts the count anew. Do returns the
// last error; if ctx ends during a pause, the cause of ctx.
func (r Retry) Do(ctx context.Context, permanent func(error) bool, size func() int64, attempt func(context.Context) error) error {
	backoff := r.Backoff
	for n := 1; ; n++ {
		before := size()
		err := attempt(ctx)
		if err == nil || ctx.Err() != nil || permanent(err) {
			return err
		}
		switch {
		case size()-before >= MinProgress:
			n, backoff = 0, r.Backoff
		case n >= r.Attempts:
			return fmt.Errorf("%w (%d attempts)", err, n)
		}
		if r.Notify != nil {
			r.Notify(err, backoff)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(backoff):
			backoff *= 2
		}
	}
}

// StatusError is the error for an HTTP response whose status is not a success, such as 404 Not Found.
type StatusError struct {
	Code   int
	Status string // code and text, such as "404 Not Found"
}

func (e *StatusError) Error() string { return "server answered " + e.Status }

// IsGone reports whether an error says that the server, or the directory of a file: URL, does not have the file.
func IsGone(err error) bool {
	status := (*StatusError)(nil)
	if errors.As(err, &status) {
		return status.Code == http.StatusNotFound || status.Code == http.StatusGone
	}
	return errors.Is(err, fs.ErrNotExist)
}

// IsPermanent reports whether another attempt would fail in the same way: the server refuses, the file of a file: URL
// cannot be read, the file is too large, or the disk is full.
func IsPermanent(err error) bool {
	status, path := (*StatusError)(nil), (*fs.PathError)(nil)
	if errors.As(err, &status) {
		retried := []int{http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests}
		return status.Code/100 == 4 && !slices.Contains(retried, status.Code)
	}
	return errors.As(err, &path) || errors.Is(err, ErrTooLarge) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
