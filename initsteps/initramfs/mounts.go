package initramfs

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// mount is one of the file systems without which a program sees nothing of the kernel.
type mount struct {
	Source, Target, Type string
	Flags                uintptr
	Data                 string
}

// early are they, in the order in which they are mounted. All of them go along into the real root.
var early = [...]mount{
	{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
	{"sysfs", "/sys", "sysfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
	{"devtmpfs", "/dev", "devtmpfs", unix.MS_NOSUID, "mode=0755"},
	{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755,size=20%"},
}

func mountEarly() error {
	var errs []error
	for _, m := range early {
		errs = append(errs, os.MkdirAll(m.Target, 0o755))
		if err := unix.Mount(m.Source, m.Target, m.Type, m.Flags, m.Data); err != nil {
			errs = append(errs, fmt.Errorf("mount %s at %s: %w", m.Type, m.Target, err))
		}
	}
	return errors.Join(errs...)
}

// mountRoot mounts the root file system at a directory. Where the device cannot be written it mounts it read-only and
// returns the errors of the other attempts as a problem.
func mountRoot(device, target string, c Cmdline) (problem, err error) {
	types, err := rootTypes(c)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return nil, err
	}
	for _, flags := range [...]uintptr{0, unix.MS_RDONLY} {
		var errs []error
		for _, t := range types {
			err := unix.Mount(device, target, t, flags, c.Flags)
			if err == nil {
				return problem, nil
			}
			errs = append(errs, fmt.Errorf("mount %s at %s (type %s, options %q): %w", device, target, t, c.Flags, err))
		}
		err = errors.Join(errs...)
		problem = fmt.Errorf("root file system could only be mounted read-only: %w", err)
	}
	return nil, err
}

// rootTypes are the types of the root file system to try.
func rootTypes(c Cmdline) ([]string, error) {
	if c.Type != "" {
		return strings.Split(c.Type, ","), nil
	}
	data, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return nil, err
	}
	return blockTypes(string(data)), nil
}

// blockTypes are the types in /proc/filesystems that live on a block device, ours first.
func blockTypes(filesystems string) []string {
	types := []string{"ext4"}
	for line := range strings.Lines(filesystems) {
		t, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "\t")
		if ok && t != "ext4" {
			types = append(types, t)
		}
	}
	return types
}
