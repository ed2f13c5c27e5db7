package initramfs

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// switchRoot makes a directory the root of this process and of all to come, takes the early mounts along and frees the
// memory of the initramfs. What does not keep the system from starting is returned as a problem.
func switchRoot(root string) (problem, err error) {
	old, err := os.OpenRoot("/")
	if err != nil {
		return nil, err
	}
	problem = moveEarly(root)
	if err := os.Chdir(root); err != nil {
		return problem, errors.Join(err, old.Close())
	}
	if err := unix.Mount(root, "/", "", unix.MS_MOVE, ""); err != nil {
		return problem, errors.Join(fmt.Errorf("move mount %s to /: %w", root, err), old.Close())
	}
	if err := unix.Chroot("."); err != nil {
		return problem, errors.Join(fmt.Errorf("chroot to %s: %w", root, err), old.Close())
	}
	return errors.Join(problem, os.Chdir("/"), empty(old), old.Close()), nil
}

// moveEarly: what cannot be moved, the real init mounts anew.
func moveEarly(root string) error {
	var errs []error
	for _, m := range early {
		to := root + m.Target
		errs = append(errs, os.MkdirAll(to, 0o755))
		if err := unix.Mount(m.Target, to, "", unix.MS_MOVE, ""); err != nil {
			errs = append(errs, fmt.Errorf("move mount %s to %s: %w", m.Target, to, err))
		}
	}
	return errors.Join(errs...)
}

// empty deletes the files of the initramfs, which keep memory for as long as the system runs. It makes sure that it
// really is one, and goes into nothing that is mounted.
func empty(dir *os.Root) error {
	var fs unix.Statfs_t
	top, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer top.Close()
	if err := unix.Fstatfs(int(top.Fd()), &fs); err != nil {
		return fmt.Errorf("statfs of the initramfs: %w", err)
	}
	if fs.Type != unix.RAMFS_MAGIC && fs.Type != unix.TMPFS_MAGIC {
		return fmt.Errorf("the initramfs has file system type %#x, neither ramfs nor tmpfs: it is left as it is", fs.Type)
	}
	names, err := top.Readdirnames(-1)
	errs := []error{err}
	for _, name := range names {
		errs = append(errs, dir.RemoveAll(name))
	}
	return errors.Join(errs...)
}
