package qemu

import (
	"net"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKernelCmdline(t *testing.T) {
	const wants = " kpti=off systemd.wants=p.service"
	tests := map[string]struct{ file, want string }{
		"serial0":           {"console=serial0,115200 root=x", "console=ttyAMA0,115200 root=x" + wants},
		"serial0, no speed": {"console=serial0", "console=ttyAMA0" + wants},
		"screen last": {
			"console=serial0,115200 console=tty1 quiet", "console=ttyAMA0,115200 console=tty1 quiet console=ttyAMA0" + wants,
		},
		"screen first":           {"console=tty1 console=serial0,115200", "console=tty1 console=ttyAMA0,115200" + wants},
		"another port":           {"console=serial01", "console=serial01 console=ttyAMA0" + wants},
		"none":                   {"root=x", "root=x console=ttyAMA0" + wants},
		"white space":            {" a \t b ", "a b console=ttyAMA0" + wants},
		"named as it is":         {"console=ttyAMA0", "console=ttyAMA0" + wants},
		"not ours to understand": {"xconsole=serial0", "xconsole=serial0 console=ttyAMA0" + wants},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, Machines()[0].kernelCmdline(tt.file))
		})
	}
}

func TestCommand(t *testing.T) {
	p := run{
		image: "/a,b/c.img", initramfs: true, cmdline: "root=x quiet",
		ssh:         &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2222},
		credentials: []credential{{"pkbuild.probe", "echo"}},
	}
	want := []string{
		"qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "2048",
		"-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot",
		"-kernel", "kernel", "-append", "root=x quiet",
		"-drive", "if=none,id=disk,format=raw,snapshot=on,file=/a,,b/c.img", "-device", "virtio-blk-pci,drive=disk",
		"-netdev", "user,id=net,hostfwd=tcp:127.0.0.1:2222-:22", "-device", "virtio-net-pci,netdev=net",
		"-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
		"-chardev", "socket,id=probe,server=on,wait=off,path=probe.sock",
		"-device", "virtserialport,chardev=probe,name=pkbuild.probe",
		"-initrd", "initramfs",
		"-fw_cfg", "name=opt/io.systemd.credentials/pkbuild.probe,file=credential.pkbuild.probe",
	}
	require.Equal(t, want, Machines()[0].command(p))

	p.persist, p.offline, p.initramfs, p.credentials = true, true, false, nil
	got := Machines()[0].command(p)
	require.Contains(t, got, "if=none,id=disk,format=raw,snapshot=off,file=/a,,b/c.img")
	require.Contains(t, got, "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22")
	require.NotContains(t, got, "-initrd")
	require.NotContains(t, got, "-fw_cfg")
}

func TestMachine(t *testing.T) {
	m, err := machine("")
	require.NoError(t, err)
	require.Equal(t, "virt", m.Name)
	_, err = machine("raspi0")
	require.EqualError(t, err, `machine "raspi0" is not known: want virt`)
	for _, m := range Machines() {
		_, err := board(m.Board)
		require.NoError(t, err, m.Name)
	}
}

// The shell is the judge of what it reads.
func TestShell(t *testing.T) {
	args := []string{"plain", "", "two words", "it's", `"$HOME"`, "a\nb", "file=/x,,y", "*", `\`, "~", "a=b"}
	out, err := exec.Command("sh", "-c", `printf '%s\0' `+Shell(args)).Output()
	require.NoError(t, err)
	want := ""
	for _, a := range args {
		want += a + "\x00"
	}
	require.Equal(t, want, string(out))
}

// The kernel's interface holds 55 bytes of a name and a zero (FW_CFG_MAX_FILE_PATH of QEMU).
func TestCredentialNames(t *testing.T) {
	list := credentials(0, make([]Check, 3))
	require.Len(t, list, 5)
	for _, c := range list {
		require.LessOrEqual(t, len("opt/io.systemd.credentials/"+c.name), 55, c.name)
	}
}
