package atomicfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked is returned by TryLock if another process holds the lock.
var ErrLocked = errors.New("locked by another process")

// lockPoll is the interval between attempts to take a lock that is held.
const lockPoll = 50 * time.Millisecond

// Lock waits for an exclusive lock on a file, which it creates if necessary, and returns the function that releases it.
// The kernel releases it when the process dies. The holder may delete the file: whoever waits then locks a new one.
func Lock(ctx context.Context, name string) (unlock func() error, err error) {
	return lock(name, func(f *os.File) error { return Flock(ctx, f) })
}

// TryLock is Lock that does not wait: it returns ErrLocked if the lock is held.
func TryLock(name string) (unlock func() error, err error) {
	return lock(name, func(f *os.File) error { return tryFlock(f, unix.LOCK_EX) })
}

// RLock waits for a shared lock: several processes may hold it together, but not with an exclusive one.
func RLock(ctx context.Context, name string) (unlock func() error, err error) {
	return lock(name, func(f *os.File) error { return flock(ctx, f, unix.LOCK_SH) })
}

// lock opens a file that only its owner may open, since whoever can open a file can lock it, and keep others waiting.
func lock(name string, take func(*os.File) error) (unlock func() error, err error) {
	for {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		if err := take(f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		named, err := os.Lstat(name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, errors.Join(err, f.Close())
		}
		opened, statErr := f.Stat()
		if err == nil && statErr == nil && os.SameFile(named, opened) {
			return f.Close, nil
		}
		if err := errors.Join(statErr, f.Close()); err != nil { // deleted while this process waited
			return nil, err
		}
	}
}

// Flock waits for an exclusive lock on an open file. Closing the file releases it.
func Flock(ctx context.Context, f *os.File) error { return flock(ctx, f, unix.LOCK_EX) }

func flock(ctx context.Context, f *os.File, how int) error {
	for {
		err := tryFlock(f, how)
		if !errors.Is(err, ErrLocked) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for lock %s: %w", f.Name(), ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}

func tryFlock(f *os.File, how int) error {
	for {
		switch err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return fmt.Errorf("lock %s: %w", f.Name(), ErrLocked)
		default:
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
	}
}
