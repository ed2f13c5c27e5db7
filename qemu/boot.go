// Package qemu boots a disk image for the Raspberry Pi in QEMU, without changing it, and says what it found.
//
// QEMU runs no firmware of the Raspberry Pi: the package reads config.txt and cmdline.txt as the firmware would, and
// gives QEMU the kernel, the initramfs and the command line that it would choose. A probe goes into the machine as
// systemd credentials, answers through a virtio port, and switches the machine off. Judge says what is not as it should
// be.
//
// The package knows what a booted system looks like (docs/boot.md), and nothing of recipes.
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
)

// Options say how to boot. The zero value is good.
type Options struct {
	Machine string        // of Machines; "" is the first
	Board   string        // of Boards, whose firmware's choice is booted; "" is the machine's
	Dir     string        // where to put, and leave, the files of the run; "" is a temporary one, of which the log stays
	Persist bool          // what the machine writes goes into the image
	Cut     bool          // pull the plug when all is known, rather than have the system shut down
	Offline bool          // the machine reaches nobody; its SSH server is reached all the same
	Checks  []Check       // what to look at besides
	Timeout time.Duration // for all of it; 0 is 10 minutes
	Silence time.Duration // how long the machine may say nothing before the probe does; 0 is half of Timeout
	Console io.Writer     // gets what the machine's serial port says, as it comes; may be nil
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

// Boot boots an image and returns what it found, good or bad. The error says why it cannot be told; the result is not
// nil then, if QEMU had been started, and has what had been found by then.
func Boot(ctx context.Context, image string, o Options) (*Result, error) {
	o = o.withDefaults()
	m, err := machine(o.Machine)
	if err != nil {
		return nil, err
	}
	if _, err := exec.LookPath(program); err != nil {
		return nil, fmt.Errorf("%s is not installed; run: apt install %s", program, pkg)
	}
	dir, remove, err := directory(o.Dir)
	if err != nil {
		return nil, err
	}
	r, run, err := prepare(image, dir, m, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("boot %s: %w", image, err), remove(false))
	}
	if err := attend(ctx, r, run, o); err != nil {
		return r, errors.Join(fmt.Errorf("boot %s: %w", image, err), remove(ctx.Err() == nil))
	}
	return r, remove(true)
}

// directory makes the directory of a run. The function that it returns removes what need not stay.
func directory(name string) (dir string, remove func(keepLog bool) error, err error) {
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

// prepare does what the firmware would, and puts the files of the run into its directory.
func prepare(image, dir string, m Machine, o Options) (r *Result, p run, err error) {
	img, err := Open(image)
	if err != nil {
		return nil, p, err
	}
	defer func() { err = errors.Join(err, img.Close()) }()
	r = &Result{Machine: m.Name, Dir: dir, Console: filepath.Join(dir, consoleFile)}
	if r.Firmware, r.Boards, err = choices(img.Boot(), firstOf(o.Board, m.Board)); err != nil {
		return nil, p, err
	}
	p = run{
		persist: o.Persist, offline: o.Offline, initramfs: len(r.Firmware.Initramfs) > 0, cmdline: m.kernelCmdline(r.Firmware.Cmdline),
		credentials: credentials(o.Timeout/2, o.Checks),
	}
	if p.image, err = filepath.Abs(image); err != nil {
		return nil, p, err
	}
	if p.ssh, err = freePort(); err != nil {
		return nil, p, err
	}
	r.Command = m.command(p)
	return r, p, errors.Join(
		copyOut(img.Boot(), filepath.Join(dir, kernelFile), r.Firmware.Kernel),
		copyOut(img.Boot(), filepath.Join(dir, initramfsFile), r.Firmware.Initramfs...),
		bootable(filepath.Join(dir, kernelFile), r.Firmware),
		writeCredentials(dir, p.credentials),
	)
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// choices are those of the firmware of one board, and of all.
func choices(files fs.FS, name string) (one Firmware, all []Firmware, err error) {
	if _, err := board(name); err != nil {
		return one, nil, err
	}
	for _, b := range Boards() {
		f, err := Choose(files, b)
		if err != nil {
			f.Problem = err.Error()
		}
		all = append(all, f)
		if b.Name == name {
			one = f
		}
	}
	if one.Problem != "" {
		return one, all, errors.New(one.Problem)
	}
	return one, all, nil
}

// bootable looks for the marks of a kernel for arm64 (Documentation/arch/arm64/booting.rst of Linux) and of gzip: that
// is what firmware and QEMU unpack.
func bootable(file string, f Firmware) error {
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
