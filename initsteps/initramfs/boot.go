package initramfs

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/initsteps/report"
)

// sysroot is where the real root file system is mounted until it becomes the root.
const sysroot = "/sysroot"

// mount is one of the file systems that a program needs to see anything of the kernel.
type mount struct {
	Source, Target, Type string
	Flags                uintptr
	Data                 string
}

// early are they, in the order in which they are mounted.
var early = [...]mount{
	{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
	{"sysfs", "/sys", "sysfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
	{"devtmpfs", "/dev", "devtmpfs", unix.MS_NOSUID, "mode=0755"},
	{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755"},
}

// Times of waiting for the root file system.
const (
	poll    = 50 * time.Millisecond
	patient = 30 * time.Second  // until it says what is missing
	nag     = 10 * time.Second  // until it says so again
	giveUp  = 120 * time.Second // until it reboots
)

// Main boots: it never returns. The arguments are those that the kernel gave to pkinit, for the real init.
func Main(version string, args []string) {
	b := &boot{Runner: initsteps.Runner{
		Boot: initsteps.Boot{System: initsteps.Linux{}, Report: &report.Boot{
			Version: report.Version, Pkinit: version, Initramfs: true, Problems: []string{},
		}},
		Print: (&Console{}).Print,
	}}
	if err := b.enterRoot(); err != nil {
		b.Print(fmt.Sprintf("there is no root file system to go on with: %v", err))
		b.Print("rebooting in 10 seconds")
		time.Sleep(10 * time.Second)
		unix.Sync()
		b.Print(fmt.Sprintf("reboot: %v", unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)))
		select {}
	}
	b.assemble()
	b.exec(args)
}

// boot is one boot from the initramfs.
type boot struct {
	initsteps.Runner
	cmdline Cmdline
}

// enterRoot finds the root file system and makes it the root of this process.
func (b *boot) enterRoot() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if err := mountEarly(); err != nil {
		b.Problem("%v", err)
	}
	console, err := openConsole()
	if err != nil {
		b.Problem("console: %v", err)
	}
	b.Print = console.Print
	b.Print("pkinit " + b.Report.Pkinit)
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	b.cmdline = ParseCmdline(string(line))
	b.Report.Root.Spec = b.cmdline.Root
	if err := LoadModules(ModulesFile, b.cmdline.Modules); err != nil {
		b.Problem("%v", err)
		b.Print(err.Error())
	}
	time.Sleep(b.cmdline.Delay)
	if b.Report.Root.Device, err = b.waitForRoot(); err != nil {
		return err
	}
	if err := b.mountRoot(); err != nil {
		return err
	}
	return switchRoot(sysroot)
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

// waitForRoot returns the device of the root file system as soon as it appears.
func (b *boot) waitForRoot() (string, error) {
	devices := Devices{Sys: "/sys/class/block", Dev: "/dev"}
	start, said := time.Now(), time.Duration(0)
	for {
		device, err := devices.Find(b.cmdline.Root)
		if err == nil {
			b.Print(fmt.Sprintf("root %s is %s", b.cmdline.Root, device))
			return device, nil
		}
		waited := time.Since(start)
		if waited >= giveUp {
			return "", err
		}
		if waited >= patient && waited-said >= nag {
			said = waited
			b.Print(fmt.Sprintf("waiting for root (%.0f s of %.0f): %v", waited.Seconds(), giveUp.Seconds(), err))
		}
		time.Sleep(poll)
	}
}

// mountRoot mounts the root file system, read-write if the device lets it.
func (b *boot) mountRoot() error {
	types := []string{b.cmdline.Type}
	if b.cmdline.Type == "" {
		var err error
		if types, err = fileSystems(); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(sysroot, 0o755); err != nil {
		return err
	}
	var errs []error
	for _, flags := range []uintptr{0, unix.MS_RDONLY} {
		for _, t := range types {
			err := unix.Mount(b.Report.Root.Device, sysroot, t, flags, b.cmdline.Flags)
			if err == nil {
				return nil
			}
			errs = append(errs, fmt.Errorf("mount %s at %s (type %s, options %q): %w",
				b.Report.Root.Device, sysroot, t, b.cmdline.Flags, err))
		}
		b.Problem("the root file system cannot be mounted read-write: %v", errors.Join(errs...))
	}
	return errors.Join(errs...)
}

// assemble runs the steps and writes the report.
func (b *boot) assemble() {
	defer func() {
		if p := recover(); p != nil {
			b.Print(fmt.Sprintf("panic: %v", p))
		}
	}()
	_ = b.All() // its errors are in the report
	for _, p := range b.Report.Problems {
		b.Print("problem: " + p)
	}
	b.Report.Handoff = b.SinceBoot().Seconds()
	if err := b.Save(); err != nil {
		b.Print(err.Error())
	}
}

// inits are the programs that are tried as init, after the one on the command line.
var inits = [...]string{"/sbin/init", "/lib/systemd/systemd", "/etc/init", "/bin/init", "/bin/sh"}

// exec starts the real init in place of this program; it never returns.
func (b *boot) exec(args []string) {
	programs := inits[:]
	if b.cmdline.Init != "" {
		programs = append([]string{b.cmdline.Init}, programs...)
	}
	for _, p := range programs {
		err := unix.Exec(p, append([]string{p}, args...), os.Environ())
		b.Print(fmt.Sprintf("exec %s: %v", p, err))
	}
	b.Print("no init can be started; rebooting in 10 seconds")
	time.Sleep(10 * time.Second)
	unix.Sync()
	b.Print(fmt.Sprintf("reboot: %v", unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)))
	select {}
}
