package initsteps

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Bind makes a bind mount, with all its flags set before it is attached. If it fails, nothing is mounted.
func (Linux) Bind(b Bind) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("bind %s at %s: %w", b.Source, b.Target, err)
		}
	}()
	tree, err := unix.OpenTree(unix.AT_FDCWD, b.Source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("open_tree: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(tree)) }()
	if err := setAttributes(tree, b); err != nil {
		return err
	}
	target, err := openTarget(b)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	flags := unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_EMPTY_PATH
	if err := unix.MoveMount(tree, "", int(target.Fd()), "", flags); err != nil {
		return fmt.Errorf("move_mount: %w", err)
	}
	// A mount on a shared mount becomes shared.
	private := unix.MountAttr{Propagation: unix.MS_PRIVATE}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &private); err != nil {
		return errors.Join(fmt.Errorf("make the propagation of the bind mount private: %w", err), Linux{}.Unmount(b.Target))
	}
	return nil
}

func setAttributes(tree int, b Bind) (err error) {
	attr := unix.MountAttr{Propagation: unix.MS_PRIVATE}
	if b.ReadOnly {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	if b.IDs != nil {
		ns, err := userNamespace(*b.IDs)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, ns.Close()) }()
		attr.Attr_set |= unix.MOUNT_ATTR_IDMAP
		attr.Userns_fd = uint64(ns.Fd())
	}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		return fmt.Errorf("mount_setattr %+v: %w", attr, err)
	}
	return nil
}

// openTarget opens the directory to mount on. In a directory that belongs to a user, symlinks are followed only within
// it.
func openTarget(b Bind) (*os.File, error) {
	if b.Within == "" {
		return os.OpenFile(b.Target, unix.O_PATH|unix.O_DIRECTORY, 0)
	}
	rel, err := filepath.Rel(b.Within, b.Target)
	if err != nil {
		return nil, err
	}
	dir, err := os.OpenRoot(b.Within)
	if err != nil {
		return nil, err
	}
	f, err := makeWithin(dir, rel)
	return f, errors.Join(err, dir.Close())
}

// makeWithin makes the missing directories of a path in dir, with the owner of dir.
func makeWithin(dir *os.Root, rel string) (*os.File, error) {
	i, err := dir.Stat(".")
	if err != nil {
		return nil, err
	}
	owner := i.Sys().(*syscall.Stat_t)
	for at, c := range rel + "/" {
		if c != '/' {
			continue
		}
		err := dir.Mkdir(rel[:at], 0o755)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := dir.Lchown(rel[:at], int(owner.Uid), int(owner.Gid)); err != nil {
			return nil, err
		}
	}
	return dir.OpenFile(rel, unix.O_PATH|unix.O_DIRECTORY, 0)
}
