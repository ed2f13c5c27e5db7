package qemu

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"time"
)

// program is the emulator, and pkg the package of Debian and Ubuntu that has it.
const (
	program = "qemu-system-aarch64"
	pkg     = "qemu-system-arm"
)

// Files in the directory of a boot, which is QEMU's working directory.
const (
	kernelFile     = "kernel"
	initramfsFile  = "initramfs"
	deviceTreeFile = "device-tree.dtb"
	agentSocket    = "agent.sock"
	qmpSocket      = "qmp.sock"
	consoleFile    = "console.log"
)

// Files of a boot that a recording device keeps.
const (
	LogFile    = "writes.log" // its writes, see package writelog
	BeforeFile = "before.img" // the card before it
	CardFile   = "card.img"   // the card, in the directory of the device
)

// Forward forwards a TCP port on the host's loopback interface to a port of the guest.
type Forward struct {
	Host  int `json:"host"`
	Guest int `json:"guest"`
}

// invocation is what differs between two boots on one machine.
type invocation struct {
	disk      string // absolute path
	persist   bool   // write to the disk
	offline   bool   // the guest reaches no other machine
	kvm       bool   // use the host's processor
	initramfs bool
	cmdline   string
	ssh       *net.TCPAddr // the host's address for the guest's port 22
	forwards  []Forward
	volatile  bool      // the host need not keep the disk over a power cut of its own
	clock     time.Time // of the hardware; zero: the host's
	usb       bool      // a USB controller for sticks
	watchdog  bool      // a hardware watchdog
	log       bool      // log the writes to the disk
	lan       *lan      // private network
}

// lan is a network that virtual machines share.
type lan struct {
	port   int // of the multicast group
	member int // number of the machine, for its address
}

// command returns QEMU's command line. The guest does not change the disk unless the invocation persists.
func (m Machine) command(v invocation) []string {
	processor, snapshot := m.Processor, "on"
	if v.kvm {
		processor = m.KVM
	}
	if v.persist {
		snapshot = "off"
	}
	args := append([]string{program, "-M", m.Name}, processor...)
	args = append(args, "-display", "none", "-monitor", "none", "-no-reboot",
		"-qmp", "unix:"+qmpSocket+",server=on,wait=off")
	args = append(args, m.Serial...)
	args = append(args, "-kernel", kernelFile, "-append", v.cmdline)
	if v.initramfs {
		args = append(args, "-initrd", initramfsFile)
	}
	if m.DeviceTree {
		args = append(args, "-dtb", deviceTreeFile)
	}
	drive := "format=raw,snapshot=" + snapshot + ",file=" + escape(v.disk)
	switch {
	case v.log:
		drive = "driver=blklogwrites,file.driver=raw,file.file.filename=" + escape(v.disk) +
			",log.driver=raw,log.file.filename=" + LogFile + // the driver itself has to see flushes
			",file.cache.no-flush=on,log.cache.no-flush=on"
	case v.volatile:
		drive = "cache=unsafe," + drive
	}
	if m.Disk == "" {
		args = append(args, "-drive", "if=sd,"+drive)
	} else {
		args = append(args, "-drive", "if=none,id=disk,"+drive, "-device", m.Disk+",drive=disk")
	}
	args = append(args, "-netdev", v.network(), "-device", m.Network+",netdev=net")
	args = append(args, m.Devices...)
	args = append(args, m.Channel...)
	return append(args, v.extras(m)...)
}

// extras are the devices that only some boots have.
func (v invocation) extras(m Machine) (args []string) {
	if !v.clock.IsZero() {
		args = append(args, "-rtc", "base="+v.clock.UTC().Format("2006-01-02T15:04:05"))
	}
	if v.usb {
		args = append(args, m.USB...)
	}
	if v.watchdog {
		args = append(args, m.Watchdog...)
	}
	if v.lan != nil {
		args = append(args, "-netdev", fmt.Sprintf("socket,id=lan,mcast=230.0.0.1:%d,localaddr=127.0.0.1", v.lan.port),
			"-device", fmt.Sprintf("%s,netdev=lan,mac=52:54:00:00:01:%02x", m.Network, v.lan.member))
	}
	return args
}

// network is the argument of QEMU's user-mode network.
func (v invocation) network() string {
	options := "user,id=net"
	if v.offline {
		options += ",restrict=on"
	}
	options += fmt.Sprintf(",hostfwd=tcp:%s-:22", v.ssh)
	for _, f := range v.forwards {
		options += fmt.Sprintf(",hostfwd=tcp:127.0.0.1:%d-:%d", f.Host, f.Guest)
	}
	return options
}

// accelerated reports whether QEMU can run the guest on the host's own processor: the host has the guest's architecture,
// and the user may open KVM's device.
func accelerated(m Machine, arch, device string) bool {
	if m.KVM == nil || arch != "arm64" {
		return false
	}
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	return err == nil && f.Close() == nil
}

// kvm reports whether this host accelerates a machine.
func (m Machine) kvm() bool { return accelerated(m, runtime.GOARCH, "/dev/kvm") }

// escape doubles commas, which separate QEMU's options.
func escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }
