package atomicfile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Produce creates a file durably unless it exists, and makes the missing directories of its path. Of several processes
// that need the file, one fills it and the others wait. fill writes to the file's name with ".part" appended. That file
// stays if fill fails; the next fill finds the content there, and can continue from it.
func Produce(ctx context.Context, name string, fill func(*os.File) error) error {
	err := produce(ctx, name, func(f *os.File) error {
		if err := fill(f); err != nil {
			return err
		}
		return f.Sync()
	})
	if err != nil {
		return err
	}
	return SyncDir(filepath.Dir(name))
}

// ProduceUnsynced creates a file unless it exists, like Produce but without fsync: after a power cut the file may be
// incomplete. It is for cached files that are verified whenever they are used.
func ProduceUnsynced(ctx context.Context, name string, fill func(*os.File) error) error {
	return produce(ctx, name, fill)
}

func produce(ctx context.Context, name string, fill func(*os.File) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	base := filepath.Base(name)
	part := base + ".part"
	for {
		if _, err := os.Stat(name); err == nil {
			return nil
		}
		f, err := openPart(ctx, root, part)
		if errors.Is(err, fs.ErrNotExist) { // it got its name, or was deleted, while this process waited
			continue
		}
		if err != nil {
			return err
		}
		if err := fill(f); err != nil {
			return errors.Join(err, f.Close())
		}
		return errors.Join(root.Rename(part, base), f.Close())
	}
}

// openPart opens and locks an incomplete file. It returns fs.ErrNotExist if the file vanished before it was locked.
func openPart(ctx context.Context, root *os.Root, part string) (*os.File, error) {
	f, err := root.OpenFile(part, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := Flock(ctx, f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if !isCurrent(root, part, f) {
		return nil, errors.Join(fs.ErrNotExist, f.Close())
	}
	return f, nil
}
