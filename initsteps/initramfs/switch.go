package initramfs

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// moved are the mounts that go along into the real root.
var moved = [...]string{"/dev", "/proc", "/sys", "/run"}

// switchRoot makes a directory the root of this process and of all to come, and frees the memory of the initramfs.
func switchRoot(root string) error {
	for _, m := range moved {
		if err := os.MkdirAll(root+m, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m, root+m, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s to %s: %w", m, root+m, err)
		}
	}
	old, err := os.OpenRoot("/")
	if err != nil {
		return err
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.Mount(root, "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move %s to /: %w", root, err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("chroot to %s: %w", root, err)
	}
	return errors.Join(os.Chdir("/"), empty(old), old.Close())
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
