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
	cmdline  Cmdline
	watchdog watchdog
}

// Main is the initramfs's process 1: it mounts the root file system, runs the boot steps and executes the real init with
// args, even if steps fail. If there is no root file system or no init, it says why and restarts the machine after ten
// seconds. It never returns.
func Main(version string, args []string) {
	r := initsteps.NewReport(version)
	r.Initramfs = true
	b := &boot{
		Boot: initsteps.Boot{System: initsteps.Linux{}, Report: r, Print: console{}.print},
	}
	if err := initsteps.Guard(b.enterRoot); err != nil {
		b.restart(fmt.Sprintf("no root file system: %v", err))
	}
	if err := initsteps.Guard(b.assemble); err != nil {
		b.Print(err.Error())
	}
	b.report(b.watchdog.keepAlive())
	b.exec(args)
}

// enterRoot finds the root file system, mounts it and makes it the root directory of this process.
func (b *boot) enterRoot() error {
	mountErr := mountEarly()
	console, err := openConsole()
	b.Print = console.print
	b.Print("version " + b.Report.Pkinit)
	b.report(errors.Join(mountErr, err, rebootOnPanic(panicTimeout)))
	if err := b.readCmdline(); err != nil {
		return err
	}
	b.report(loadModules(modulesFile, b.cmdline))
	b.watchdog, err = openWatchdog(watchdogDevice, b.cmdline.Watchdog)
	b.report(err)
	for end := time.Now().Add(b.cmdline.Delay); time.Now().Before(end); time.Sleep(min(time.Second, time.Until(end))) {
		b.report(b.watchdog.keepAlive())
	}
	if b.Report.Root.Device, err = b.waitForRoot(); err != nil {
		return err
	}
	if b.cmdline.Launch != "" {
		restored, err := b.launch()
		if restored {
			b.restart(fmt.Sprintf("%s is not started: %s", b.cmdline.Launch, initsteps.OneLine(err)))
		}
		b.report(err) // a reboot would launch it again
	}
	b.prepareRoot()
	problem, err := mountRoot(b.Report.Root.Device, sysroot, b.cmdline)
	b.report(problem)
	if err != nil {
		return err
	}
	problem, err = switchRoot(sysroot)
	b.report(problem)
	return err
}

// prepareRoot sets the clock by the root file system, if it is an ext4, and checks it where that is due.
func (b *boot) prepareRoot() {
	device := b.Report.Root.Device
	s, ok, err := readSuperblock(device)
	b.report(err)
	if !ok {
		return
	}
	set, err := setClock(s.newest, time.Now, settimeofday)
	b.report(err)
	if set {
		b.Report.ClockStarted = s.newest.UTC().Format(time.RFC3339)
		b.Print("the clock starts at " + b.Report.ClockStarted + ", when the root file system was last written")
	}
	reason := s.due()
	if reason == "" {
		return
	}
	b.Print(fmt.Sprintf("check %s: %s", device, reason))
	var problem error
	b.Report.Root.Check, problem = check(checker, device, s, func() { b.report(b.watchdog.keepAlive()) })
	b.Print("check: " + b.Report.Root.Check.Result)
	b.report(problem)
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

// report adds an error that does not end the boot to the problems; nil is none.
func (b *boot) report(err error) {
	if err != nil {
		b.Problem(initsteps.OneLine(err))
	}
}

// waitForRoot returns the device of the root file system when it appears, or an error after rootTimeout.
func (b *boot) waitForRoot() (string, error) {
	devices := Devices{Sys: "/sys/class/block", Dev: "/dev", Prefer: firmwareDevice(bootMode)}
	start, wait := time.Now(), newRootWait()
	for {
		device, err := devices.Find(b.cmdline.Root)
		if err == nil && (devices.Preferred(device) || time.Since(start) > preferredWait) {
			b.Print(fmt.Sprintf("root %s is %s", b.cmdline.Root, device))
			return device, nil
		}
		report, stop := wait.after(time.Since(start))
		if stop {
			return "", err
		}
		if report && err != nil {
			b.Print(fmt.Sprintf("waiting for the root file system: %v", err))
		}
		b.report(b.watchdog.keepAlive())
		time.Sleep(pollInterval)
	}
}

// assemble runs the steps and writes the report, which has their errors.
func (b *boot) assemble() error {
	_ = b.All()
	if b.Report.Degraded {
		b.Print("the system starts degraded; see pkinit report")
	}
	b.Report.Handoff = b.SinceBoot().Seconds()
	return b.Save()
}

// inits are the programs that exec tries in this order, after the one on the command line.
var inits = [...]string{"/sbin/init", "/lib/systemd/systemd", "/bin/sh"}

// exec replaces this program by the real init; it never returns.
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

// restart says why, waits ten seconds for a reader, and reboots: the next boot may find what this one missed.
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
