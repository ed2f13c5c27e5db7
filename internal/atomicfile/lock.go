package atomicfile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Lock takes an exclusive lock on a file, which it creates where it is missing, and returns the function that gives it
// back. The kernel gives it back when the process dies. The file may be removed by who holds its lock.
func Lock(ctx context.Context, name string) (unlock func() error, err error) {
	for {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, err
		}
		if err := Flock(ctx, f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if current(f) {
			return f.Close, nil
		}
		if err := f.Close(); err != nil { // removed while this process waited: others take a new file
			return nil, err
		}
	}
}

// TryLock is Lock, but for a lock that somebody else holds: it returns nil.
func TryLock(name string) (unlock func() error, err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK), err == nil && !current(f):
		return nil, f.Close()
	case err != nil:
		return nil, errors.Join(os.NewSyscallError("flock "+name, err), f.Close())
	}
	return f.Close, nil
}

// Share takes a lock that others may share but who has it alone, and returns the function that gives it back.
func Share(ctx context.Context, name string) (unlock func() error, err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := flock(ctx, f, unix.LOCK_SH); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}

// Flock takes an exclusive lock on an open file, for as long as it is open.
func Flock(ctx context.Context, f *os.File) error { return flock(ctx, f, unix.LOCK_EX) }

func flock(ctx context.Context, f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return os.NewSyscallError("flock "+f.Name(), err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// current tells whether an open file is still the one that its name leads to.
func current(f *os.File) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(f.Name())
	return !errors.Is(err, fs.ErrNotExist) && os.SameFile(open, named)
}
