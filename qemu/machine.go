package qemu

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/firmware"
)

// Machine is an entry of the table of QEMU machines: the arguments with which QEMU emulates it, and what the guest sees,
// such as the name of its serial port.
type Machine struct {
	Name       string   // of QEMU's -M
	Board      string   // board whose firmware's choices are booted by default
	Processor  []string // arguments for processor and memory
	Console    string   // Linux's name of the serial port
	Serial     []string // arguments that connect the serial port to QEMU's standard input and output
	Channel    []string // arguments for a virtio console, by which the agent answers; nil: the serial port
	Tty        string   // Linux's name of the terminal on which the agent runs
	Disk       string   // device of the disk; "" is the SD card
	Network    string   // device of the network
	Devices    []string // further arguments
	USB        []string // arguments for a USB controller, if the machine lacks one
	Watchdog   []string // arguments for a hardware watchdog
	DeviceTree bool     // QEMU needs the board's device tree; it makes that of other machines itself
	Card       bool     // the size of the disk must be a power of two
	PowersOff  bool     // the kernel can switch the machine off, or restart it
	KVM        []string // arguments in place of Processor for hardware acceleration; nil: the machine has none
	Cmdline    []string // words that the kernel needs on this machine
	Missing    string   // why QEMU cannot boot an image on this machine; "" if it can
}

// Machines returns the table of QEMU machines, the default first, including those that cannot boot an image.
func Machines() []Machine {
	return []Machine{
		{
			Name: "virt", Board: "pi4",
			Processor: []string{"-cpu", "cortex-a72", "-smp", "2", "-m", "2048"},
			KVM:       []string{"-accel", "kvm", "-machine", "gic-version=host", "-cpu", "host", "-smp", "2", "-m", "2048"},
			Console:   "ttyAMA0", Serial: []string{"-serial", "stdio"},
			Tty: "hvc0", Channel: []string{
				"-device", "virtio-serial-pci",
				"-chardev", "socket,id=agent,server=on,wait=off,path=" + agentSocket,
				"-device", "virtconsole,chardev=agent",
			},
			// A network card from which nothing boots needs no ROM, which Debian has in another package.
			Disk: "virtio-blk-pci", Network: "virtio-net-pci,romfile=",
			Devices:   []string{"-device", "virtio-rng-pci"},
			USB:       []string{"-device", "qemu-xhci"},
			Watchdog:  []string{"-device", "i6300esb"},
			PowersOff: true,
		},
		{
			Name: "raspi3b", Board: "pi3",
			Console: "ttyS1", Serial: []string{"-serial", "null", "-serial", "stdio"}, // the first is the PL011 of Bluetooth
			Tty: "ttyS1", Network: "usb-net", DeviceTree: true, Card: true,
			// QEMU resets the machine when the watchdog is opened, as systemd does, and has no VideoCore for vchiq to talk to.
			Cmdline: []string{"module_blacklist=bcm2835_wdt,vchiq"},
		},
		{
			Name: "raspi4b", Board: "pi4", Console: "ttyS1",
			Missing: "QEMU's model lacks the SD controller of Linux's device tree, PCIe and Ethernet, so no root file system is found",
		},
	}
}

// machine finds a machine by its name; "" is the first.
func machine(name string) (Machine, error) {
	all := Machines()
	i := slices.IndexFunc(all, func(m Machine) bool { return m.Name == name || name == "" })
	if i < 0 {
		return Machine{}, fmt.Errorf("unknown machine %q, want %s", name, strings.Join(MachineNames(), " or "))
	}
	if why := all[i].Missing; why != "" {
		return Machine{}, fmt.Errorf("machine %s boots no image: %s; use %s", name, why, strings.Join(MachineNames(), " or "))
	}
	return all[i], nil
}

// MachineNames returns the names of the QEMU machines that can boot an image, the default first.
func MachineNames() []string {
	var names []string
	for _, m := range Machines() {
		if m.Missing == "" {
			names = append(names, m.Name)
		}
	}
	return names
}

// kernelCmdline returns the kernel's command line: that of cmdline.txt, with serial0 replaced by the serial port, as the
// firmware does it, and with the serial port as the last console, which is the one that Linux uses as /dev/console. The
// words behind it start a root shell for the agent.
func (m Machine) kernelCmdline(f firmware.Choice, kvm bool) string {
	console, tty := m.Console, m.Tty
	extra := append([]string{}, m.Cmdline...)
	if m.DeviceTree && strings.HasPrefix(path.Base(f.DeviceTree), vendorTree) {
		// Raspberry Pi's trees and kernels number the serial ports otherwise, and enable this one only when told.
		console, tty = "ttyS0", "ttyS0"
		extra = append(extra, "8250.nr_uarts=1")
	}
	words := slices.DeleteFunc(strings.Fields(f.Cmdline), func(w string) bool { return takesDriver(w, console) })
	last := ""
	for i, w := range words {
		device, ok := strings.CutPrefix(w, "console=")
		if !ok {
			continue
		}
		if device == "serial0" || strings.HasPrefix(device, "serial0,") {
			device = console + strings.TrimPrefix(device, "serial0")
			words[i] = "console=" + device
		}
		last, _, _ = strings.Cut(device, ",")
	}
	if last != console {
		words = append(words, "console="+console)
	}
	if !kvm {
		extra = append(extra, noPageTableIsolation, slowTimeouts)
	}
	words = append(words, extra...)
	return strings.Join(append(words, "systemd.debug_shell="+tty,
		"systemd.mask=serial-getty@"+tty+".service"), " ")
}

// takesDriver reports whether a kernel argument names a console of the serial port's driver with another number, such as
// a Pi 5's ttyAMA10. A driver has one console, the first that is named, and none if the machine lacks it.
func takesDriver(argument, console string) bool {
	device, ok := strings.CutPrefix(argument, "console=")
	device, _, _ = strings.Cut(device, ",")
	driver := func(name string) string { return strings.TrimRight(name, "0123456789") }
	return ok && device != console && driver(device) == driver(console)
}

// vendorTree begins the names of Raspberry Pi's own device trees for a Pi 3; those of kernel.org begin with bcm2837.
const vendorTree = "bcm2710"

// noPageTableIsolation keeps the kernel mapped while programs run. Otherwise each system call flushes QEMU's translation
// cache, which makes the boot several times slower.
const noPageTableIsolation = "kpti=off"

// slowTimeouts replace systemd's default limits of 90 s, which an emulator on a busy host exceeds.
const slowTimeouts = "systemd.default_timeout_start_sec=600 systemd.default_device_timeout_sec=600"
