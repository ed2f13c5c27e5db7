package initsteps

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/overlays/override"
)

// Linux implements System with the running kernel.
type Linux struct{}

// Stat returns the metadata of a file, following symlinks.
func (Linux) Stat(name string) (Info, error) {
	i, err := os.Stat(name)
	if err != nil {
		return Info{}, err
	}
	s := i.Sys().(*syscall.Stat_t)
	return Info{Mode: i.Mode(), UID: int(s.Uid), GID: int(s.Gid)}, nil
}

// ReadFile returns the content of a file.
func (Linux) ReadFile(name string) ([]byte, error) { return os.ReadFile(name) }

// DirFS returns the files below a directory, which need not exist yet.
func (Linux) DirFS(dir string) fs.FS { return os.DirFS(dir) }

// MountInfo returns the mounts in /proc/self/mountinfo.
func (Linux) MountInfo() ([]*mountinfo.Info, error) {
	infos, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, fmt.Errorf("read mountinfo: %w", err)
	}
	return infos, nil
}

// RemoveAll removes a file or directory tree, name in dir, and syncs the directory that held it, so that a power cut does
// not restore it. It returns nil if name or dir does not exist. Symlinks do not lead it out of dir.
func (Linux) RemoveAll(dir, name string) error {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(removeSynced(root, name), root.Close())
}

func removeSynced(root *os.Root, name string) error {
	if _, err := root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := root.RemoveAll(name); err != nil {
		return err
	}
	parent, err := root.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(parent.Sync(), parent.Close())
}

// Mkdir creates a directory with the owner and the permissions in as, and its missing parents with mode 0755. A file or
// directory that exists is left as it is. Nothing is synced.
func (Linux) Mkdir(name string, as Info) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	err := os.Mkdir(name, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(os.Chown(name, as.UID, as.GID), os.Chmod(name, as.Mode.Perm()))
}

// WriteFile replaces a file durably with data and permissions, or creates it; its directory must exist. A power cut leaves
// the old content or the new one.
func (Linux) WriteFile(name string, data []byte, mode fs.FileMode) error {
	return atomicfile.Write(name, data, mode)
}

// Rename moves a file or directory durably and creates missing parents of the new path. It replaces a file at the new
// path, and returns fs.ErrNotExist if the old path does not exist.
func (Linux) Rename(from, to string) error {
	if _, err := os.Lstat(from); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return errors.Join(atomicfile.Rename(from, to), atomicfile.SyncDir(filepath.Dir(from)))
}

// ListFiles returns the files and directories below a directory with their identities, which change with every change of
// content or metadata. It returns none if the directory does not exist.
func (Linux) ListFiles(dir string) (override.Files, error) { return override.ListFiles(dir) }

// ForeignFiles returns the files below an upperdir that an overlay with other mount options wrote, so that pkinit's
// overlay cannot read them. Each is a path with, in parentheses, the extended attribute that says so. It looks at the
// first 50,000 files only, and returns none if the directory does not exist.
func (Linux) ForeignFiles(dir string) ([]string, error) { return override.ForeignFiles(dir) }

// MountOverlay mounts an overlay. It fails before it mounts anything if m.Validate does.
func (Linux) MountOverlay(m overlays.Mount) error {
	if err := m.Validate(); err != nil {
		return err
	}
	if err := unix.Mount(m.Source, m.Target, "overlay", 0, m.Options()); err != nil {
		return fmt.Errorf("mount overlay at %s (%s): %w", m.Target, m.Options(), err)
	}
	return nil
}

// MountFAT mounts the FAT file system of a device on a directory, which must exist, with the options nosuid, nodev, noexec
// and noatime.
func (Linux) MountFAT(device, target string, readOnly bool) error {
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME)
	if readOnly {
		flags |= unix.MS_RDONLY
	}
	if err := unix.Mount(device, target, "vfat", flags, ""); err != nil {
		return fmt.Errorf("mount %s at %s: %w", device, target, err)
	}
	return nil
}

// Unmount detaches the topmost mount at a path, even if it is in use. It fails if the path is not a mount point.
func (Linux) Unmount(target string) error {
	if err := unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
		return fmt.Errorf("unmount %s: %w", target, err)
	}
	return nil
}

// Command runs a program and waits for it. It fails if the program cannot be started or has another exit code than 0; the
// error includes the program's output.
func (Linux) Command(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w: %s", cmd, err, out)
	}
	return nil
}

// Now returns the current time.
func (Linux) Now() time.Time { return time.Now() }

// SinceBoot returns the time since the start of the kernel, including the time in suspend.
func (Linux) SinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
