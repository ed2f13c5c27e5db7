package layers

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// Produce makes a file unless it is there, and gives it its name when it is complete. Of several builds that want it
// one makes it and the others wait. What a killed build left is handed to make, which may go on from there.
func Produce(ctx context.Context, name string, make func(*os.File) error) (err error) {
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name+".part", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := Flock(ctx, f); err != nil {
		return err
	}
	if _, err := os.Stat(name); err == nil { // made while this build waited: f is that file
		return nil
	}
	if err := make(f); err != nil {
		return err
	}
	return os.Rename(name+".part", name)
}
