package qemu

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// fullPartition has a file for every default name of the firmware.
func fullPartition(extra map[string]string) map[string]string {
	files := map[string]string{
		"cmdline.txt":  "root=/dev/vda2\n",
		"bootcode.bin": "", "start.elf": "", "fixup.dat": "", "start4.elf": "", "fixup4.dat": "",
		"bcm2710-rpi-3-b.dtb": "", "bcm2837-rpi-3-b.dtb": "", "bcm2711-rpi-4-b.dtb": "", "bcm2712-rpi-5-b.dtb": "",
		"kernel7.img": "", "kernel7l.img": "", "kernel8.img": "", "kernel_2712.img": "", "vmlinuz": "",
		"initramfs7": "", "initramfs8": "", "initramfs_2712": "", "initrd": "", "more": "",
		"new/kernel8.img": "", "new/vmlinuz": "", "new/bcm2711-rpi-4-b.dtb": "", "new/initramfs8": "",
		"new/cmdline.txt": "root=/dev/vda3", "old/kernel8.img": "",
		"upstream/kernel8.img": "", "upstream/bcm2837-rpi-3-b.dtb": "", "upstream/cmdline.txt": "root=/dev/vda4",
	}
	for name, text := range extra {
		files[name] = text
	}
	return files
}

func board64(name, kernel, tree string) Firmware {
	return Firmware{
		Board: name, Kernel: kernel, Bits: 64, Initramfs: []string{}, DeviceTree: tree, Cmdline: "root=/dev/vda2",
	}
}

func TestChoose(t *testing.T) {
	pi3 := board64("pi3", "kernel8.img", "bcm2710-rpi-3-b.dtb")
	pi4 := board64("pi4", "kernel8.img", "bcm2711-rpi-4-b.dtb")
	pi5 := board64("pi5", "kernel_2712.img", "bcm2712-rpi-5-b.dtb")
	with := func(f Firmware, changes ...func(*Firmware)) Firmware {
		for _, change := range changes {
			change(&f)
		}
		return f
	}
	kernel := func(name string, bits int) func(*Firmware) {
		return func(f *Firmware) { f.Kernel, f.Bits = name, bits }
	}
	initramfs := func(names ...string) func(*Firmware) { return func(f *Firmware) { f.Initramfs = names } }
	tree := func(name string) func(*Firmware) { return func(f *Firmware) { f.DeviceTree = name } }
	cmdline := func(line string) func(*Firmware) { return func(f *Firmware) { f.Cmdline = line } }
	prefix := func(name string) func(*Firmware) { return func(f *Firmware) { f.Prefix = name } }
	warning := func(text string) func(*Firmware) { return func(f *Firmware) { f.Warnings = []string{text} } }
	tests := map[string]struct {
		config string
		extra  map[string]string
		absent []string
		want   Firmware
	}{
		"defaults of a Pi 3": {want: with(pi3, kernel("kernel7.img", 32))},
		"defaults of a Pi 4": {want: pi4},
		"defaults of a Pi 5": {want: pi5},
		"Pi 5 without a kernel of its own": {
			absent: []string{"kernel_2712.img"},
			want:   with(pi5, kernel("kernel8.img", 64)),
		},
		"Pi 5 without a kernel of its own, auto": {
			config: "auto_initramfs=1", absent: []string{"kernel_2712.img"},
			want: with(pi5, kernel("kernel8.img", 64), initramfs("initramfs8")),
		},
		"Pi 3 in 64 bits":          {config: "arm_64bit=1", want: pi3},
		"Pi 3 with a known kernel": {config: "kernel=kernel8.img", want: pi3},
		"Pi 3 with an unknown one": {config: "kernel=vmlinuz", want: with(pi3, kernel("vmlinuz", 32))},
		"Pi 4 in 32 bits":          {config: "arm_64bit=0", want: with(pi4, kernel("kernel7l.img", 32))},
		"Pi 4 with an old kernel":  {config: "kernel=kernel7l.img", want: with(pi4, kernel("kernel7l.img", 32))},
		"Pi 5 knows no 32 bits":    {config: "arm_64bit=0", want: pi5},
		"initramfs":                {config: "initramfs initrd followkernel", want: with(pi4, initramfs("initrd"))},
		"initramfs at an address":  {config: "initramfs initrd 0x00800000", want: with(pi4, initramfs("initrd"))},
		"two initramfs files": {
			config: "initramfs more,initrd followkernel", want: with(pi4, initramfs("more", "initrd")),
		},
		"two initramfs files, ramfsfile": {config: "ramfsfile=more,initrd", want: with(pi4, initramfs("more", "initrd"))},
		"auto on a Pi 4":                 {config: "auto_initramfs=1", want: with(pi4, initramfs("initramfs8"))},
		"auto on a Pi 5":                 {config: "auto_initramfs=1", want: with(pi5, initramfs("initramfs_2712"))},
		"auto=0":                         {config: "auto_initramfs=0", want: pi4},
		"auto without a file":            {config: "auto_initramfs=1", absent: []string{"initramfs8"}, want: pi4},
		"auto with another name": {
			config: "auto_initramfs=1\nkernel=vmlinuz", want: with(pi4, kernel("vmlinuz", 64)),
		},
		"initramfs overrides auto": {
			config: "auto_initramfs=1\ninitramfs initrd followkernel", want: with(pi4, initramfs("initrd")),
		},
		"device tree": {config: "device_tree=more", want: with(pi4, tree("more"))},
		"upstream device tree": {
			config: "arm_64bit=1\nupstream_kernel=1\nos_prefix=", want: with(pi3, tree("bcm2837-rpi-3-b.dtb")),
		},
		"upstream, only ours there": {
			config: "arm_64bit=1\nupstream_kernel=1\nos_prefix=", absent: []string{"bcm2837-rpi-3-b.dtb"}, want: pi3,
		},
		"command line": {
			config: "cmdline=other.txt", extra: map[string]string{"other.txt": "quiet"}, want: with(pi4, cmdline("quiet")),
		},
		"command line, DOS": {
			extra: map[string]string{"cmdline.txt": "quiet\r\n\r\n"}, want: with(pi4, cmdline("quiet")),
		},
		"absolute names": {
			config: "os_prefix=new/\nkernel=/vmlinuz\ncmdline=/cmdline.txt\ndevice_tree=/more",
			want:   with(pi4, prefix("new/"), kernel("vmlinuz", 64), tree("more")),
		},
		"Pi 5 with the other kernel": {
			config: "kernel=kernel8.img\nauto_initramfs=1",
			want:   with(pi5, kernel("kernel8.img", 64), initramfs("initramfs_2712")),
		},
		"prefix": {
			config: "os_prefix=new/\nauto_initramfs=1",
			want: with(pi4, prefix("new/"), kernel("new/kernel8.img", 64), initramfs("new/initramfs8"),
				tree("new/bcm2711-rpi-4-b.dtb"), cmdline("root=/dev/vda3")),
		},
		"prefix without a device tree": {
			config: "os_prefix=old/",
			want:   with(pi4, warning("os_prefix=old/ is ignored: kernel or device tree is missing there")),
		},
		"upstream is a prefix": {
			config: "arm_64bit=1\nupstream_kernel=1",
			want: with(pi3, prefix("upstream/"), kernel("upstream/kernel8.img", 64),
				tree("upstream/bcm2837-rpi-3-b.dtb"), cmdline("root=/dev/vda4")),
		},
		"upstream, no such prefix": {config: "upstream_kernel=1", want: pi4},
		"no device tree": {
			absent: []string{"bcm2711-rpi-4-b.dtb"},
			want:   with(pi4, tree(""), warning("no device tree in the boot partition: bcm2711-rpi-4-b.dtb")),
		},
		"no firmware": {
			absent: []string{"start4.elf"},
			want:   with(pi4, warning("start4.elf is not in the boot partition")),
		},
		"second line of the command line": {
			extra: map[string]string{"cmdline.txt": "root=/dev/vda2\nquiet\n"},
			want:  with(pi4, warning(`cmdline.txt: only the first line reaches the kernel, not "quiet"`)),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := bootPartition(fullPartition(tt.extra))
			files["config.txt"] = bootPartition(map[string]string{"x": tt.config})["x"]
			for _, name := range tt.absent {
				delete(files, name)
			}
			got, err := Choose(files, testBoard(t, tt.want.Board))
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestChooseErrors(t *testing.T) {
	tests := map[string]struct{ config, absent, want string }{
		"named kernel": {
			"kernel=linux", "", "config.txt names the kernel linux, which is not in the boot partition",
		},
		"default kernel": {
			"", "kernel8.img", "config.txt names no kernel, and kernel8.img is not in the boot partition",
		},
		"kernel is a dir": {"kernel=new", "", "config.txt names the kernel new, which is not in the boot partition"},
		"initramfs": {
			"initramfs initrd,none followkernel", "", "config.txt names the initramfs none, which is not in the boot partition",
		},
		"command line": {
			"", "cmdline.txt", "cmdline.txt is not in the boot partition: the kernel has no root= argument",
		},
		"both": {
			"initramfs none", "cmdline.txt",
			"config.txt names the initramfs none, which is not in the boot partition\n" +
				"cmdline.txt is not in the boot partition: the kernel has no root= argument",
		},
		"with a prefix": {
			"os_prefix=new/\ninitramfs initrd", "",
			"config.txt names the initramfs new/initrd, which is not in the boot partition",
		},
		"other kernel, dir": {
			"kernel=/nodir/linux", "", "config.txt names the kernel nodir/linux, which is not in the boot partition",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := bootPartition(fullPartition(map[string]string{"config.txt": tt.config}))
			delete(files, tt.absent)
			_, err := Choose(files, testBoard(t, "pi4"))
			require.EqualError(t, err, "pi4: "+tt.want)
		})
	}
}

func TestChoices(t *testing.T) {
	files := bootPartition(fullPartition(map[string]string{"config.txt": "[pi3]\nkernel=linux"}))
	one, all, err := choices(files, "pi4")
	require.NoError(t, err)
	require.Equal(t, "kernel8.img", one.Kernel)
	require.Len(t, all, len(Boards()))
	require.Equal(t, "pi3: config.txt names the kernel linux, which is not in the boot partition", all[0].Problem)

	_, _, err = choices(files, "pi3")
	require.EqualError(t, err, "pi3: config.txt names the kernel linux, which is not in the boot partition")
	_, _, err = choices(files, "pi2")
	require.EqualError(t, err, `unknown board "pi2", want pi3, pi4, pi5`)
}
