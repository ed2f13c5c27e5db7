package qemu

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/PlanktoScope/pkbuild/layers/firmware"
	"github.com/stretchr/testify/require"
)

func TestKernelCmdline(t *testing.T) {
	const end = " kpti=off systemd.default_timeout_start_sec=600 systemd.default_device_timeout_sec=600 systemd.debug_shell=hvc0 systemd.mask=serial-getty@hvc0.service"
	tests := map[string]struct{ file, want string }{
		"serial0":           {"console=serial0,115200 root=x", "console=ttyAMA0,115200 root=x" + end},
		"serial0, no speed": {"console=serial0", "console=ttyAMA0" + end},
		"screen last": {
			"console=serial0,115200 console=tty1 quiet", "console=ttyAMA0,115200 console=tty1 quiet console=ttyAMA0" + end,
		},
		"screen first":     {"console=tty1 console=serial0,115200", "console=tty1 console=ttyAMA0,115200" + end},
		"another port":     {"console=serial01", "console=serial01 console=ttyAMA0" + end},
		"none":             {"root=x", "root=x console=ttyAMA0" + end},
		"white space":      {" a \t b ", "a b console=ttyAMA0" + end},
		"Linux's name":     {"console=ttyAMA0", "console=ttyAMA0" + end},
		"another number":   {"console=ttyS1,115200 console=ttyAMA10,115200 root=x", "console=ttyS1,115200 root=x console=ttyAMA0" + end},
		"another argument": {"xconsole=serial0", "xconsole=serial0 console=ttyAMA0" + end},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, Machines()[0].kernelCmdline(firmware.Choice{Cmdline: tt.file}, false))
		})
	}
	m, err := machine("raspi3b")
	require.NoError(t, err)
	require.Equal(t, "console=ttyS1,115200 module_blacklist=bcm2835_wdt,vchiq systemd.debug_shell=ttyS1 "+
		"systemd.mask=serial-getty@ttyS1.service", m.kernelCmdline(firmware.Choice{Cmdline: "console=serial0,115200", DeviceTree: "bcm2837-rpi-3-b.dtb"}, true))
	require.Equal(t, "console=ttyS0,115200 module_blacklist=bcm2835_wdt,vchiq 8250.nr_uarts=1 systemd.debug_shell=ttyS0 "+
		"systemd.mask=serial-getty@ttyS0.service", m.kernelCmdline(firmware.Choice{Cmdline: "console=serial0,115200", DeviceTree: "x/bcm2710-rpi-3-b.dtb"}, true))
}

func testInvocation() invocation {
	return invocation{
		disk: "/a,b/c.img", initramfs: true, cmdline: "root=x quiet",
		ssh: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2222},
	}
}

func TestCommand(t *testing.T) {
	v := testInvocation()
	want := []string{
		"qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "2048",
		"-display", "none", "-monitor", "none", "-no-reboot", "-qmp", "unix:qmp.sock,server=on,wait=off", "-serial", "stdio",
		"-kernel", "kernel", "-append", "root=x quiet", "-initrd", "initramfs",
		"-drive", "if=none,id=disk,format=raw,snapshot=on,file=/a,,b/c.img", "-device", "virtio-blk-pci,drive=disk",
		"-netdev", "user,id=net,hostfwd=tcp:127.0.0.1:2222-:22", "-device", "virtio-net-pci,romfile=,netdev=net",
		"-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
		"-chardev", "socket,id=agent,server=on,wait=off,path=agent.sock", "-device", "virtconsole,chardev=agent",
	}
	require.Equal(t, want, Machines()[0].command(v))

	v.persist, v.offline, v.initramfs, v.kvm, v.forwards = true, true, false, true, []Forward{{8080, 80}}
	got := Machines()[0].command(v)
	require.Contains(t, got, "if=none,id=disk,format=raw,snapshot=off,file=/a,,b/c.img")
	require.Contains(t, got, "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=tcp:127.0.0.1:8080-:80")
	require.NotContains(t, got, "-initrd")
	require.NotContains(t, got, "cortex-a72")
	require.Contains(t, got, "kvm")
}

// A machine without PCI has neither virtio devices nor fw_cfg.
func TestCommandRaspi3b(t *testing.T) {
	m, err := machine("raspi3b")
	require.NoError(t, err)
	require.Equal(t, []string{
		"qemu-system-aarch64", "-M", "raspi3b", "-display", "none", "-monitor", "none", "-no-reboot",
		"-qmp", "unix:qmp.sock,server=on,wait=off",
		"-serial", "null", "-serial", "stdio", "-kernel", "kernel", "-append", "root=x quiet", "-initrd", "initramfs",
		"-dtb", "device-tree.dtb", "-drive", "if=sd,format=raw,snapshot=on,file=/a,,b/c.img",
		"-netdev", "user,id=net,hostfwd=tcp:127.0.0.1:2222-:22", "-device", "usb-net,netdev=net",
	}, m.command(testInvocation()))
}

// QEMU itself must accept each command line without the files of packages that are only recommended. It ends at once,
// since there is no kernel.
func TestQEMUAcceptsCommand(t *testing.T) {
	requireQEMU(t)
	for _, name := range MachineNames() {
		t.Run(name, func(t *testing.T) {
			m, err := machine(name)
			require.NoError(t, err)
			dir := t.TempDir()
			disk := filepath.Join(dir, "disk.img")
			require.NoError(t, os.WriteFile(disk, make([]byte, 1<<20), 0o600))
			v := testInvocation()
			v.disk, v.initramfs, v.ssh = disk, false, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}
			args := m.command(v)
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			require.Regexp(t, "^qemu-system-aarch64: (could not|unable to) load (kernel '|file ')kernel'?", string(out))
		})
	}
}

func TestMachine(t *testing.T) {
	m, err := machine("")
	require.NoError(t, err)
	require.Equal(t, "virt", m.Name)
	_, err = machine("raspi0")
	require.EqualError(t, err, `unknown machine "raspi0", want virt or raspi3b`)
	_, err = machine("raspi4b")
	require.ErrorContains(t, err, "machine raspi4b boots no image: QEMU's model lacks the SD controller")
	for _, m := range Machines() {
		_, err := firmware.Named(m.Board)
		require.NoError(t, err, m.Name)
		require.NotEqual(t, m.Missing == "", m.Tty == "", m.Name)
		require.Equal(t, m.Channel == nil && m.Missing == "", m.Tty == m.Console, m.Name)
	}
}

func TestAccelerated(t *testing.T) {
	device := filepath.Join(t.TempDir(), "kvm")
	virt, raspi3b := Machines()[0], Machines()[1]
	require.False(t, accelerated(virt, "arm64", device), "no device")
	require.NoError(t, os.WriteFile(device, nil, 0o600))
	require.True(t, accelerated(virt, "arm64", device))
	require.False(t, accelerated(virt, "amd64", device), "another architecture")
	require.False(t, accelerated(raspi3b, "arm64", device), "a machine that KVM does not have")
}

func TestMissingPackage(t *testing.T) {
	for stderr, want := range map[string]string{
		`qemu-system-aarch64: -device virtio-net-pci,netdev=net: failed to find romfile "efi-virtio.rom"`: "run: apt install ipxe-qemu",
		`qemu-system-aarch64: -netdev user,id=net: network backend 'user' is not compiled into this binary`: "QEMU lacks user-mode networking " +
			"(libslirp): run: apt install qemu-system-arm",
		"qemu-system-aarch64: error while loading shared libraries: libslirp.so.0: cannot open shared object file": "run: apt install --reinstall qemu-system-arm",
		`qemu-system-aarch64: unsupported machine type`:                                                            "QEMU is too old for this machine: 7.2 is needed",
		`qemu-system-aarch64: -device virtio-gpu: 'virtio-gpu' is not a valid device model name`:                   "run: apt install qemu-system-common",
		`Could not access KVM kernel module: Permission denied: /dev/kvm`:                                          "add yourself to the group kvm",
		`qemu-system-aarch64: could not read keymap file: 'en-us'`:                                                 "run: apt install qemu-system-data",
		`qemu-system-aarch64: terminating on signal 15`:                                                            "",
	} {
		require.Equal(t, want, missingPackage(stderr), stderr)
	}
}
