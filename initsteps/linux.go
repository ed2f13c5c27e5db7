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

// Linux is the running System.
type Linux struct{}

// Stat implements System.
func (Linux) Stat(name string) (Info, error) {
	i, err := os.Stat(name)
	if err != nil {
		return Info{}, err
	}
	s := i.Sys().(*syscall.Stat_t)
	return Info{Mode: i.Mode(), UID: int(s.Uid), GID: int(s.Gid)}, nil
}

// ReadFile implements System.
func (Linux) ReadFile(name string) ([]byte, error) { return os.ReadFile(name) }

// DirFS implements System.
func (Linux) DirFS(dir string) fs.FS { return os.DirFS(dir) }

// MountInfo implements System.
func (Linux) MountInfo() ([]*mountinfo.Info, error) {
	infos, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, fmt.Errorf("read mountinfo: %w", err)
	}
	return infos, nil
}

// RemoveAll implements System. The directory that held the name is synced, so that a power cut does not bring it back.
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

// Mkdir implements System.
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

// WriteFile implements System.
func (Linux) WriteFile(name string, data []byte, mode fs.FileMode) error {
	return atomicfile.Write(name, data, mode)
}

// Rename implements System.
func (Linux) Rename(from, to string) error {
	if _, err := os.Lstat(from); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return errors.Join(atomicfile.Rename(from, to), atomicfile.SyncDir(filepath.Dir(from)))
}

// ListFiles implements System.
func (Linux) ListFiles(dir string) (override.Files, error) { return override.ListFiles(dir) }

// MountOverlay implements System.
func (Linux) MountOverlay(m overlays.Mount) error {
	if err := m.Validate(); err != nil {
		return err
	}
	if err := unix.Mount(m.Source, m.Target, "overlay", 0, m.Options()); err != nil {
		return fmt.Errorf("mount overlay at %s (%s): %w", m.Target, m.Options(), err)
	}
	return nil
}

// Unmount implements System.
func (Linux) Unmount(target string) error {
	if err := unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
		return fmt.Errorf("unmount %s: %w", target, err)
	}
	return nil
}

// Command implements System.
func (Linux) Command(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", cmd, err, out)
	}
	return nil
}

// Now implements System.
func (Linux) Now() time.Time { return time.Now() }

// SinceBoot implements System.
func (Linux) SinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
