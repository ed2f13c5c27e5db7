package qemu

import (
	"fmt"
	"net"
	"slices"
	"strings"
)

// Machine is a machine that QEMU emulates.
type Machine struct {
	Name    string   // as QEMU has it
	Board   string   // whose firmware's choices it starts with
	Console string   // name that Linux gives to its serial port
	Args    []string // processor and memory
	Disk    string   // device of the image
	Network string   // device of the network
}

// Machines are those that can boot an image.
func Machines() []Machine {
	return []Machine{
		{
			Name: "virt", Board: "pi4", Console: "ttyAMA0",
			Args:    []string{"-cpu", "cortex-a72", "-smp", "2", "-m", "2048"},
			Disk:    "virtio-blk-pci",
			Network: "virtio-net-pci",
		},
	}
}

// machine finds a machine by its name; "" is the first.
func machine(name string) (Machine, error) {
	all := Machines()
	if name == "" {
		return all[0], nil
	}
	i := slices.IndexFunc(all, func(m Machine) bool { return m.Name == name })
	if i < 0 {
		var names []string
		for _, m := range all {
			names = append(names, m.Name)
		}
		return Machine{}, fmt.Errorf("machine %q is not known: want %s", name, strings.Join(names, ", "))
	}
	return all[i], nil
}

// program is the emulator, and what installs it on Debian and Ubuntu.
const (
	program = "qemu-system-aarch64"
	pkg     = "qemu-system-arm"
)

// Files of a run, in its directory, where QEMU runs.
const (
	kernelFile    = "kernel"
	initramfsFile = "initramfs"
	probeSocket   = "probe.sock"
	consoleFile   = "console.log"
)

// run is what differs between two boots on one machine.
type run struct {
	image       string // absolute path
	persist     bool   // write to the image
	offline     bool   // nobody is reached from it
	initramfs   bool   // there is one
	cmdline     string
	ssh         *net.TCPAddr // where the guest's port 22 is reached
	credentials []credential
}

// command is QEMU's command line. Nothing that the guest writes reaches the image unless the run persists.
func (m Machine) command(r run) []string {
	snapshot := "on"
	if r.persist {
		snapshot = "off"
	}
	network := "user,id=net"
	if r.offline {
		network += ",restrict=on"
	}
	args := append([]string{program, "-M", m.Name}, m.Args...)
	args = append(args,
		"-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot",
		"-kernel", kernelFile, "-append", r.cmdline,
		"-drive", "if=none,id=disk,format=raw,snapshot="+snapshot+",file="+escape(r.image),
		"-device", m.Disk+",drive=disk",
		"-netdev", fmt.Sprintf("%s,hostfwd=tcp:%s-:22", network, r.ssh),
		"-device", m.Network+",netdev=net",
		"-device", "virtio-rng-pci",
		"-device", "virtio-serial-pci",
		"-chardev", "socket,id=probe,server=on,wait=off,path="+probeSocket,
		"-device", "virtserialport,chardev=probe,name="+probePort,
	)
	if r.initramfs {
		args = append(args, "-initrd", initramfsFile)
	}
	for _, c := range r.credentials {
		args = append(args, "-fw_cfg", "name=opt/io.systemd.credentials/"+c.name+",file="+c.file())
	}
	return args
}

// kernelCmdline is what the kernel gets: serial0, which the firmware replaces by the name of the port, is the machine's
// serial port, and the last console, since that is the one that /dev/console is and the machine has no screen.
func (m Machine) kernelCmdline(fromFile string) string {
	words := strings.Fields(fromFile)
	last := ""
	for i, w := range words {
		device, ok := strings.CutPrefix(w, "console=")
		if !ok {
			continue
		}
		if device == "serial0" || strings.HasPrefix(device, "serial0,") {
			device = m.Console + strings.TrimPrefix(device, "serial0")
			words[i] = "console=" + device
		}
		last, _, _ = strings.Cut(device, ",")
	}
	if last != m.Console {
		words = append(words, "console="+m.Console)
	}
	return strings.Join(append(words, noIsolation, "systemd.wants="+probeUnit), " ")
}

// noIsolation keeps the kernel's pages mapped while programs run. Linux unmaps them where it lies at a random address,
// and then QEMU forgets all translations of addresses whenever a program calls the kernel.
const noIsolation = "kpti=off"

// escape doubles commas, at which QEMU splits its options.
func escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }

// Shell writes a command line as a shell reads it.
func Shell(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		if a == "" || strings.ContainsAny(a, " \t\n'\"\\$&|;<>()*?[]#~`!{}") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		quoted[i] = a
	}
	return strings.Join(quoted, " ")
}
