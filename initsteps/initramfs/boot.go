package initramfs

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/initsteps"
)

// sysroot is where the real root file system is mounted until it becomes the root.
const sysroot = "/sysroot"

// boot is one boot from the initramfs.
type boot struct {
	initsteps.Boot
	cmdline Cmdline
	calm    func() error // takes back that a panic reboots
}

// Main boots: it never returns. The arguments are those that the kernel gave to pkinit, for the real init.
func Main(version string, args []string) {
	r := initsteps.NewReport(version)
	r.Initramfs = true
	b := &boot{
		Boot: initsteps.Boot{System: initsteps.Linux{}, Report: r, Print: console{}.print},
		calm: func() error { return nil },
	}
	if err := initsteps.Guard(b.enterRoot); err != nil {
		b.restart(fmt.Sprintf("there is no root file system to go on with: %v", err))
	}
	if err := initsteps.Guard(b.assemble); err != nil {
		b.Print(err.Error())
	}
	if err := b.calm(); err != nil {
		b.Print(err.Error())
	}
	b.exec(args)
}

// enterRoot finds the root file system and makes it the root of this process.
func (b *boot) enterRoot() error {
	mountErr := mountEarly()
	console, err := openConsole()
	b.Print = console.print
	b.Print("version " + b.Report.Pkinit)
	b.say(errors.Join(mountErr, err))
	b.calm, err = rebootOnPanic(panicTimeout)
	b.say(err)
	if err := b.readCmdline(); err != nil {
		return err
	}
	b.say(loadModules(modulesFile, b.cmdline.Modules))
	time.Sleep(b.cmdline.Delay)
	if b.Report.Root.Device, err = b.waitForRoot(); err != nil {
		return err
	}
	problem, err := mountRoot(b.Report.Root.Device, sysroot, b.cmdline)
	b.say(problem)
	if err != nil {
		return err
	}
	problem, err = switchRoot(sysroot)
	b.say(problem)
	return err
}

func (b *boot) readCmdline() error {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	b.cmdline = ParseCmdline(string(line))
	b.Report.Root.Spec = b.cmdline.Root
	return nil
}

// say makes an error that does not end the boot a problem.
func (b *boot) say(err error) {
	if err != nil {
		b.Problem(initsteps.OneLine(err))
	}
}

// waitForRoot returns the device of the root file system as soon as it appears.
func (b *boot) waitForRoot() (string, error) {
	devices := Devices{Sys: "/sys/class/block", Dev: "/dev"}
	start, wait := time.Now(), newPatience()
	for {
		device, err := devices.Find(b.cmdline.Root)
		if err == nil {
			b.Print(fmt.Sprintf("root %s is %s", b.cmdline.Root, device))
			return device, nil
		}
		complain, giveUp := wait.after(time.Since(start))
		if giveUp {
			return "", err
		}
		if complain {
			b.Print(fmt.Sprintf("waiting for the root file system: %v", err))
		}
		time.Sleep(poll)
	}
}

// assemble runs the steps and writes the report. What goes wrong is in the report.
func (b *boot) assemble() error {
	_ = b.All()
	if b.Report.Degraded {
		b.Print("the system starts degraded; see pkinit report")
	}
	b.Report.Handoff = b.SinceBoot().Seconds()
	return b.Save()
}

// inits are the programs that are tried as init, after the one on the command line.
var inits = [...]string{"/sbin/init", "/lib/systemd/systemd", "/bin/sh"}

// exec starts the real init in place of this program; it never returns.
func (b *boot) exec(args []string) {
	programs := inits[:]
	if b.cmdline.Init != "" {
		programs = append([]string{b.cmdline.Init}, programs...)
	}
	var errs []error
	for _, p := range programs {
		err := unix.Exec(p, append([]string{p}, args...), os.Environ())
		errs = append(errs, fmt.Errorf("exec %s: %w", p, err))
	}
	b.restart(fmt.Sprintf("no init can be started: %v", errors.Join(errs...)))
}

// restart reboots, after time to read why: the next boot may find what this one missed.
func (b *boot) restart(why string) {
	b.Print(why)
	b.Print("rebooting in 10 seconds")
	time.Sleep(10 * time.Second)
	unix.Sync()
	for {
		b.Print(fmt.Sprintf("reboot: %v", unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)))
		time.Sleep(time.Minute)
	}
}
