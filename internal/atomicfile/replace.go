package atomicfile

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Replace makes a file appear under its name only when it is complete and on the disk: it is written to the name with
// ".tmp", synced and renamed. Where write fails nothing is left; what a killed process left is replaced. Of several
// processes that write the same file one waits for the other, and the last one wins.
func Replace(name string, write func(f *os.File) error) (err error) {
	tmp := name + ".tmp"
	f, err := CreateAlone(tmp)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }() // who waits may go on when the file has its name
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// CreateAlone creates a file, empty, that no other process writes that creates it so, until it is closed.
func CreateAlone(name string) (*os.File, error) {
	for {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
			return nil, errors.Join(os.NewSyscallError("flock "+name, err), f.Close())
		}
		if current(f) {
			return f, f.Truncate(0)
		}
		if err := f.Close(); err != nil { // it got its name while this process waited
			return nil, err
		}
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
