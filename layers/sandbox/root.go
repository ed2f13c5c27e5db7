package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// devices are the device nodes that commands find in /dev. They are the building machine's, on which the user namespace
// has no rights but to open them.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// devLinks are the symlinks in /dev.
var devLinks = map[string]string{
	"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx",
}

// enterTree makes "root" in the working directory the root of the calling thread, in a mount namespace of its own, in
// which nothing else of the building machine is mounted.
//
// The result tells whether an empty /etc/resolv.conf was created in the tree, which is none of the command's changes.
func enterTree(j job) (created bool, err error) {
	resolvConf, err := readResolvConf(j.Network)
	if err != nil {
		return false, err
	}
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return false, fmt.Errorf("create a mount namespace: %w", err)
	}
	if err := mountSystem(); err != nil {
		return false, err
	}
	if j.Aside || j.Serve {
		if err := bindReadOnly("aside", "root"+AsideDir); err != nil {
			return false, err
		}
	}
	if err := pivot("root"); err != nil {
		return false, err
	}
	return mountResolvConf(resolvConf)
}

// mountSystem mounts what every system has.
func mountSystem() error {
	const safe = unix.MS_NOSUID | unix.MS_NODEV
	for _, name := range []string{"proc", "sys"} {
		if err := bind(name, "root/"+name); err != nil {
			return err
		}
	}
	for _, m := range []struct {
		kind, target string
		flags        uintptr
		options      string
	}{
		{"tmpfs", "dev", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=0755"},
		{"tmpfs", "run", safe, "mode=0755"},
		{"tmpfs", "tmp", safe, "mode=1777"},
		{"tmpfs", "dev/shm", safe | unix.MS_NOEXEC, "mode=1777"},
		{"devpts", "dev/pts", unix.MS_NOSUID | unix.MS_NOEXEC, "newinstance,mode=0620,ptmxmode=0666,gid=5"}, // group tty
	} {
		if strings.HasPrefix(m.target, "dev/") {
			if err := os.Mkdir("root/"+m.target, 0o755); err != nil {
				return err
			}
		}
		if err := mount(m.kind, "root/"+m.target, m.flags, m.options); err != nil {
			return err
		}
	}
	for _, name := range devices {
		if err := os.WriteFile("root/dev/"+name, nil, 0o644); err != nil {
			return err
		}
		if err := bind("/dev/"+name, "root/dev/"+name); err != nil {
			return err
		}
	}
	for name, target := range devLinks {
		if err := os.Symlink(target, "root/dev/"+name); err != nil {
			return err
		}
	}
	return nil
}

func bind(source, target string) error {
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", source, target, err)
	}
	return nil
}

func bindReadOnly(source, target string) error {
	if err := os.Mkdir(target, 0o755); err != nil {
		return err
	}
	if err := bind(source, target); err != nil {
		return err
	}
	const flags = unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV
	if err := unix.Mount("", target, "", flags, ""); err != nil {
		return fmt.Errorf("make %s read-only: %w", target, err)
	}
	return nil
}

// pivot makes a mount point the root, and detaches the former root, which no path leads to afterwards: pivot_root(2)
// explains the call with the same directory twice.
func pivot(dir string) error {
	if err := os.Chdir(dir); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root to %s: %w", dir, err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("detach the former root: %w", err)
	}
	return os.Chdir("/")
}

const resolvConfFile = "/etc/resolv.conf"

// readResolvConf returns the building machine's resolv.conf; nil if there is none, or if the command has no network.
func readResolvConf(network bool) ([]byte, error) {
	if !network {
		return nil, nil
	}
	data, err := os.ReadFile(resolvConfFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return append([]byte{}, data...), err
}

// mountResolvConf mounts a copy of a resolv.conf over that of the tree, which stays as it is. A symlink to a file in /run
// gets that file; one that leads elsewhere is left alone. The result tells whether the tree had none.
func mountResolvConf(data []byte) (created bool, err error) {
	if data == nil {
		return false, nil
	}
	at := resolvConfFile
	if target, err := os.Readlink(at); err == nil {
		_, below, ok := strings.Cut(path.Join("/etc", target), "/run/")
		if path.IsAbs(target) {
			below, ok = strings.CutPrefix(path.Clean(target), "/run/")
		}
		if !ok {
			return false, nil
		}
		at = "/run/" + below
	}
	if err := os.MkdirAll(path.Dir(at), 0o755); err != nil {
		return false, err
	}
	if _, err := os.Stat(at); errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(at, nil, 0o644); err != nil {
			return false, err
		}
		created = at == resolvConfFile
	}
	const source = "/run/.resolv.conf"
	if err := os.WriteFile(source, data, 0o644); err != nil {
		return created, err
	}
	if err := bind(source, at); err != nil {
		return created, err
	}
	return created, os.Remove(source)
}
