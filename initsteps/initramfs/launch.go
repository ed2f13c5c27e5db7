package initramfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/kexec"
	"github.com/PlanktoScope/pkbuild/layers/bootset"
)

// launchDir is where the boot partition is mounted while another boot set is launched.
const launchDir = "/launch"

// launch starts the boot set that the kernel's command line names by kexec. It returns if that fails. Before anything else of the
// set is read, the boot partition selects again what it selected before the trial, so the next boot is no launch; restored
// says whether it does.
func (b *boot) launch() (restored bool, err error) {
	number := bootset.ParseDirName(b.cmdline.Launch)
	if number == 0 {
		return false, fmt.Errorf("%s%s names no boot set", bootset.LaunchArgument, b.cmdline.Launch)
	}
	spec, err := bootPartition(b.cmdline.Root)
	if err != nil {
		return false, err
	}
	device, err := Devices{Sys: "/sys/class/block", Dev: "/dev"}.Find(spec)
	if err != nil {
		return false, err
	}
	if err := os.MkdirAll(launchDir, 0o755); err != nil {
		return false, err
	}
	if err := unix.Mount(device, launchDir, "vfat", 0, ""); err != nil {
		return false, fmt.Errorf("mount %s at %s: %w", device, launchDir, err)
	}
	store := bootset.Store{Files: bootset.Dir(launchDir)}
	next, restored, err := prepareLaunch(store, launchDir, number)
	if err = errors.Join(err, unix.Unmount(launchDir, 0)); err != nil {
		return restored, err
	}
	if err := kexec.Load(next); err != nil {
		return restored, err
	}
	b.Print(fmt.Sprintf("starting boot set %d on trial", number))
	b.report(b.watchdog.keepAlive())
	return restored, kexec.Start()
}

// prepareLaunch takes the trial back, verifies the set and reads its kernel.
func prepareLaunch(store bootset.Store, dir string, number int) (k kexec.Kernel, restored bool, err error) {
	selected, err := store.Selected()
	if err != nil {
		return k, false, err
	}
	launched := store.Launched(number)
	pending, err := store.Pending()
	if err = errors.Join(launched, err); err != nil {
		return k, pending == 0, err
	}
	if err := store.Verify(number); err != nil {
		return k, true, err
	}
	read := func(set int, name string) []byte {
		data, readErr := os.ReadFile(filepath.Join(dir, bootset.DirName(set), name))
		err = errors.Join(err, readErr)
		return data
	}
	k = kexec.Kernel{Image: read(number, bootset.Kernel), Initramfs: read(number, bootset.Initramfs)}
	launch, cmdline := read(selected, bootset.Launch), read(number, bootset.Cmdline)
	running, runningErr := os.ReadFile("/proc/cmdline")
	k.Cmdline = nextCmdline(string(running), string(launch), string(cmdline))
	return k, true, errors.Join(err, runningErr)
}

// bootPartition returns the root= argument of partition 1 on the disk of the root file system.
func bootPartition(root string) (string, error) {
	disk, number, found := strings.Cut(root, "-")
	if !strings.HasPrefix(root, "PARTUUID=") || !found || len(number) != 2 {
		return "", fmt.Errorf("root=%s names no partition of an MBR, so the boot partition is unknown", root)
	}
	return disk + "-01", nil
}

// nextCmdline returns the running kernel's command line with that of the next set in place of the launcher's: the firmware has
// added arguments before and behind it.
func nextCmdline(running, launch, next string) string {
	fields := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	before, behind, found := strings.Cut(fields(running), fields(launch))
	if !found {
		return fields(next)
	}
	return fields(before + " " + next + " " + behind)
}
