package atomicfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/waiting"
)

// ErrLocked is returned by TryLock and LockWithin if another process holds the lock.
var ErrLocked = errors.New("file is locked by another process")

// lockPoll is the interval between attempts to take a lock that is held.
const lockPoll = 50 * time.Millisecond

// Lock waits for an exclusive lock on a file, which it creates if necessary, and returns the function that releases the
// lock. It fails if ctx ends before. The kernel releases the lock when the process dies. The holder may delete the file:
// whoever waits then locks a new one.
func Lock(ctx context.Context, name string) (unlock func() error, err error) {
	return lock(name, func(f *os.File) error { return Flock(ctx, f) })
}

// LockWithin locks a file exclusively like Lock, but returns ErrLocked if it has to wait longer than limit.
func LockWithin(ctx context.Context, name string, limit time.Duration) (unlock func() error, err error) {
	return lock(name, func(f *os.File) error { return flock(ctx, f, unix.LOCK_EX, limit) })
}

// TryLock locks a file exclusively like Lock, but returns ErrLocked instead of waiting.
func TryLock(name string) (unlock func() error, err error) {
	return lock(name, func(f *os.File) error { return tryFlock(f, unix.LOCK_EX) })
}

// RLock waits for a shared lock on a file like Lock for an exclusive one, and returns the function that releases the lock.
// Several processes may hold a shared lock, but not while one holds an exclusive lock.
func RLock(ctx context.Context, name string) (unlock func() error, err error) {
	return lock(name, func(f *os.File) error { return flock(ctx, f, unix.LOCK_SH, 0) })
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

// Flock waits for an exclusive lock on an open file; it fails if ctx ends before. Closing the file releases the lock.
func Flock(ctx context.Context, f *os.File) error { return flock(ctx, f, unix.LOCK_EX, 0) }

// flock waits for a lock, with a limit unless that is 0.
func flock(ctx context.Context, f *os.File, how int, limit time.Duration) error {
	if err := tryFlock(f, how); !errors.Is(err, ErrLocked) {
		return err
	}
	what := "lock " + f.Name() + holder(f)
	ctx, stop := waiting.Watch(ctx, what, limit, nil)
	defer stop()
	for {
		select {
		case <-ctx.Done():
			if cause := (*waiting.Error)(nil); errors.As(context.Cause(ctx), &cause) {
				return fmt.Errorf("%w: %w", ErrLocked, cause)
			}
			return fmt.Errorf("wait for %s: %w", what, context.Cause(ctx))
		case <-time.After(lockPoll):
		}
		if err := tryFlock(f, how); !errors.Is(err, ErrLocked) {
			return err
		}
	}
}

// holder returns which process holds a lock, such as ", held by process 123 (pkctl)", or nothing if that is unknown.
func holder(f *os.File) string {
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	locks, err := os.ReadFile("/proc/locks")
	if !ok || err != nil {
		return ""
	}
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
	for line := range strings.Lines(string(locks)) {
		fields := strings.Fields(line) // 1: FLOCK ADVISORY WRITE 123 fe:01:456 0 EOF
		if len(fields) != 8 || fields[1] != "FLOCK" || fields[5] != file {
			continue
		}
		name, _ := os.ReadFile("/proc/" + fields[4] + "/comm")
		return fmt.Sprintf(", held by process %s (%s)", fields[4], strings.TrimSpace(string(name)))
	}
	return ""
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
