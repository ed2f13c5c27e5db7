// Package qemu boots disk images for the Raspberry Pi in QEMU and reports the state of the booted system.
//
// QEMU runs no firmware of the Raspberry Pi: the package reads config.txt and cmdline.txt as the firmware would, and gives
// QEMU the kernel, initramfs, device tree and command line that the firmware would load. An agent in the guest answers over
// a virtio console or the serial port. The image is not changed unless the caller asks for it.
//
// The package knows what a booted system of this project looks like (docs/boot.md), and nothing of recipes.
package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/compress"
	"github.com/PlanktoScope/pkbuild/layers/firmware"
	"github.com/PlanktoScope/pkbuild/qemu/scenario"
)

// Options are the options of a boot in QEMU: machine, network, checks, timeouts and where the console's output goes.
// The zero value boots the default machine.
type Options struct {
	Machine  string        // name in Machines; "" is the first
	Board    string        // name in firmware.Boards, whose firmware's choices are booted; "" is the machine's
	Dir      string        // directory for the files of the boot, which stay there; "" is a temporary one, of which the console's log stays
	Persist  bool          // the guest writes to the image
	Cut      bool          // cut the power at the end, instead of shutting down
	Offline  bool          // the guest reaches no other machine; its SSH server can still be reached
	Forwards []Forward     // further ports of the guest that can be reached
	Checks   []Check       // scripts to run in the guest
	Timeout  time.Duration // for the whole boot; 0 is 10 minutes
	Silence  time.Duration // for output of the guest before the agent answers; 0 is half of Timeout
	Console  io.Writer     // receives the output of the guest's serial port; may be nil

	fatal func(error) // receives lines after which the guest does not go on; nil ends the machine
	start scenario.Start
	card  bool // the image is a device's card, which need not last over a power cut of the host
	lan   *lan
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Minute
	}
	if o.Silence == 0 {
		o.Silence = o.Timeout / 2
	}
	if o.Console == nil {
		o.Console = io.Discard
	}
	return o
}

var errNotInstalled = fmt.Errorf("%s is not installed; run: apt install %s", program, pkg)

// Boot boots an image and returns the state of the booted system, good or bad. An error means that the state could not be
// read completely; the result then holds what was read before, or is nil if QEMU did not start.
func Boot(ctx context.Context, image string, o Options) (*Result, error) {
	o = o.withDefaults()
	m, err := machine(o.Machine)
	if err != nil {
		return nil, err
	}
	if _, err := exec.LookPath(program); err != nil {
		return nil, errNotInstalled
	}
	dir, clean, err := directory(o.Dir)
	if err != nil {
		return nil, err
	}
	r, v, err := prepare(image, dir, m, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("boot %s: %w", image, err), clean(false))
	}
	err = r.observe(ctx, m, v, o)
	if ctx.Err() != nil {
		return r, errors.Join(fmt.Errorf("boot %s: %w", image, context.Cause(ctx)), clean(false))
	}
	if err != nil {
		return r, errors.Join(fmt.Errorf("boot %s: %w", image, err), clean(true))
	}
	return r, clean(true)
}

// observe runs QEMU, fills the result, and ends QEMU.
func (r *Result) observe(ctx context.Context, m Machine, v invocation, o Options) error {
	begin := time.Now()
	vm, err := run(ctx, m, r.Command, r.Dir, o)
	if err != nil {
		return err
	}
	if err = vm.connect(); err == nil {
		err = vm.ready()
	}
	if err == nil {
		err = inspect(vm.ctx, vm, r, dialTCP(v.ssh), o)
	}
	if err == nil {
		err = vm.stop(o.Cut)
	}
	if err != nil {
		vm.fail(err)
	}
	err = vm.wait(err)
	r.Seconds.Total = time.Since(begin).Seconds()
	return err
}

// directory makes the directory of a boot. The returned function removes the files that need not stay; of a temporary
// directory only the console's log stays, if asked for.
func directory(name string) (dir string, clean func(keepLog bool) error, err error) {
	if name != "" {
		dir, err := filepath.Abs(name)
		return dir, func(bool) error { return nil }, errors.Join(err, os.MkdirAll(name, 0o777))
	}
	dir, err = os.MkdirTemp("", "pkbuild-boot-")
	return dir, func(keepLog bool) error {
		if !keepLog {
			return os.RemoveAll(dir)
		}
		entries, err := os.ReadDir(dir)
		for _, e := range entries {
			if e.Name() != consoleFile {
				err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
			}
		}
		return err
	}, err
}

// prepare makes the firmware's choices and puts the files that QEMU needs into the directory of the boot.
func prepare(image, dir string, m Machine, o Options) (r *Result, v invocation, err error) {
	img, err := Open(image)
	if err != nil {
		return nil, v, err
	}
	defer func() { err = errors.Join(err, img.Close()) }()
	r = &Result{Machine: m.Name, Dir: dir, Console: filepath.Join(dir, consoleFile)}
	if r.Firmware, r.Boards, err = choices(img.Boot(), firstOf(o.Board, m.Board)); err != nil {
		return nil, v, err
	}
	f := r.Firmware
	v = invocation{
		persist: o.Persist, offline: o.Offline, kvm: m.kvm(), initramfs: len(f.Initramfs) > 0,
		cmdline: m.kernelCmdline(f, m.kvm()), forwards: o.Forwards, volatile: o.card, lan: o.lan,
		clock: o.start.Clock, usb: o.start.USB, watchdog: o.start.Watchdog, log: o.start.WriteLog,
	}
	if v.disk, err = diskOf(image, dir, m, o.Persist); err != nil {
		return nil, v, err
	}
	if v.ssh, err = freePort(); err != nil {
		return nil, v, err
	}
	r.Command, r.Accelerated, r.SSHPort = m.command(v), v.kvm, v.ssh.Port
	err = errors.Join(
		copyOut(img.Boot(), filepath.Join(dir, kernelFile), f.Kernel),
		copyOut(img.Boot(), filepath.Join(dir, initramfsFile), f.Initramfs...),
		bootable(filepath.Join(dir, kernelFile), f),
	)
	if m.DeviceTree && f.DeviceTree == "" {
		err = errors.Join(err, fmt.Errorf("machine %s needs a device tree of %s in the boot partition", m.Name, f.Board))
	} else if m.DeviceTree {
		err = errors.Join(err, copyTree(img.Boot(), &r.Firmware, filepath.Join(dir, deviceTreeFile)))
	}
	return r, v, err
}

// diskOf returns the absolute path of what the machine uses as its disk: the image, or a copy of it that is as large as a
// card must be.
func diskOf(image, dir string, m Machine, persist bool) (string, error) {
	info, err := os.Stat(image)
	if err != nil {
		return "", err
	}
	size := cardSize(info.Size())
	switch {
	case !m.Card || info.Size() == size:
		return filepath.Abs(image)
	case persist:
		return "", fmt.Errorf("the image has %d bytes, and a card of machine %s a power of two; run: truncate --size %d %s",
			info.Size(), m.Name, size, image)
	}
	card := filepath.Join(dir, CardFile)
	return card, copyCard(image, card, size)
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// choices returns the choices of one board's firmware, and of all boards for which the image was built.
func choices(files fs.FS, name string) (one firmware.Choice, all []firmware.Choice, err error) {
	b, err := firmware.Named(name)
	if err != nil {
		return one, nil, err
	}
	for _, b := range firmware.Wanted(files) {
		all = append(all, firmware.Choose(files, b, firmware.State{}))
	}
	one = firmware.Choose(files, b, firmware.State{})
	return one, all, one.Err()
}

// copyTree writes the device tree that the kernel gets, with overlays and parameters, to a file of the host. What cannot be
// merged is a warning of the firmware.
func copyTree(files fs.FS, f *firmware.Choice, target string) error {
	if len(f.Overlays) == 0 && len(f.Parameters) == 0 {
		return copyOut(files, target, f.DeviceTree)
	}
	tree, warnings, err := f.Tree(files)
	if err != nil {
		return err
	}
	f.Warnings = append(f.Warnings, warnings...)
	return os.WriteFile(target, tree, 0o666)
}

// bootable checks for the magic numbers of an arm64 kernel (Documentation/arch/arm64/booting.rst of Linux) or of gzip, the
// formats that the firmware and QEMU load.
func bootable(file string, f firmware.Choice) error {
	k, err := os.Open(file)
	if err != nil {
		return err
	}
	defer k.Close()
	var head [64]byte
	if _, err := io.ReadFull(k, head[:]); err != nil {
		return fmt.Errorf("kernel %s: %w", f.Kernel, err)
	}
	if compress.Detect(head[:]) != compress.Gzip && string(head[56:60]) != "ARMd" {
		return fmt.Errorf("kernel %s is neither an arm64 Image nor a gzip of one", f.Kernel)
	}
	if f.Bits != 64 {
		return fmt.Errorf("the firmware of %s starts %s in 32-bit mode; set arm_64bit=1 in config.txt", f.Board, f.Kernel)
	}
	return nil
}
