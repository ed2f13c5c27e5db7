package atomicfile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// Produce makes a file unless it is there, and gives it its name when it is complete. Of several builds that want it
// one makes it and the others wait. What a killed build left is handed to make, which may go on from there.
func Produce(ctx context.Context, name string, make func(*os.File) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := toProduce(ctx, name)
	if err != nil || f == nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := make(f); err != nil {
		return err
	}
	return os.Rename(name+".part", name)
}

// toProduce is the file that is to become another when it is complete, locked; nil if that one is there.
func toProduce(ctx context.Context, name string) (*os.File, error) {
	for {
		if _, err := os.Stat(name); err == nil {
			return nil, nil
		}
		f, err := os.OpenFile(name+".part", os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, err
		}
		if err := Flock(ctx, f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if current(f) {
			return f, nil
		}
		if err := f.Close(); err != nil { // it got its name, or was removed, while this build waited
			return nil, err
		}
	}
}
