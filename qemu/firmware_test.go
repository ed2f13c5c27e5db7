package qemu

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// fullPartition has a file of every name that a firmware may look for without being told.
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

func TestChoose(t *testing.T) {
	pi3 := Firmware{Board: "pi3", Kernel: "kernel8.img", Bits: 64, Initramfs: []string{}, DeviceTree: "bcm2710-rpi-3-b.dtb", Cmdline: "root=/dev/vda2"}
	pi4 := Firmware{Board: "pi4", Kernel: "kernel8.img", Bits: 64, Initramfs: []string{}, DeviceTree: "bcm2711-rpi-4-b.dtb", Cmdline: "root=/dev/vda2"}
	pi5 := Firmware{Board: "pi5", Kernel: "kernel_2712.img", Bits: 64, Initramfs: []string{}, DeviceTree: "bcm2712-rpi-5-b.dtb", Cmdline: "root=/dev/vda2"}
	with := func(f Firmware, change func(*Firmware)) Firmware {
		change(&f)
		return f
	}
	tests := map[string]struct {
		config string
		extra  map[string]string
		absent []string
		want   Firmware
	}{
		"defaults of a Pi 3": {want: with(pi3, func(f *Firmware) { f.Kernel, f.Bits = "kernel7.img", 32 })},
		"defaults of a Pi 4": {want: pi4},
		"defaults of a Pi 5": {want: pi5},
		"Pi 5 without a kernel of its own": {
			absent: []string{"kernel_2712.img"},
			want:   with(pi5, func(f *Firmware) { f.Kernel = "kernel8.img" }),
		},
		"Pi 3 in 64 bits":            {config: "arm_64bit=1", want: pi3},
		"Pi 3 with a known kernel":   {config: "kernel=kernel8.img", want: pi3},
		"Pi 3 with an unknown one":   {config: "kernel=vmlinuz", want: with(pi3, func(f *Firmware) { f.Kernel, f.Bits = "vmlinuz", 32 })},
		"Pi 4 in 32 bits":            {config: "arm_64bit=0", want: with(pi4, func(f *Firmware) { f.Kernel, f.Bits = "kernel7l.img", 32 })},
		"Pi 4 with an old kernel":    {config: "kernel=kernel7l.img", want: with(pi4, func(f *Firmware) { f.Kernel, f.Bits = "kernel7l.img", 32 })},
		"Pi 5 knows no 32 bits":      {config: "arm_64bit=0", want: pi5},
		"initramfs":                  {config: "initramfs initrd followkernel", want: with(pi4, func(f *Firmware) { f.Initramfs = []string{"initrd"} })},
		"initramfs at an address":    {config: "initramfs initrd 0x00800000", want: with(pi4, func(f *Firmware) { f.Initramfs = []string{"initrd"} })},
		"two of them":                {config: "initramfs more,initrd followkernel", want: with(pi4, func(f *Firmware) { f.Initramfs = []string{"more", "initrd"} })},
		"two of them, written else":  {config: "ramfsfile=more,initrd", want: with(pi4, func(f *Firmware) { f.Initramfs = []string{"more", "initrd"} })},
		"auto on a Pi 4":             {config: "auto_initramfs=1", want: with(pi4, func(f *Firmware) { f.Initramfs = []string{"initramfs8"} })},
		"auto on a Pi 5":             {config: "auto_initramfs=1", want: with(pi5, func(f *Firmware) { f.Initramfs = []string{"initramfs_2712"} })},
		"auto is off":                {config: "auto_initramfs=0", want: pi4},
		"auto finds nothing":         {config: "auto_initramfs=1", absent: []string{"initramfs8"}, want: pi4},
		"auto with another name":     {config: "auto_initramfs=1\nkernel=vmlinuz", want: with(pi4, func(f *Firmware) { f.Kernel = "vmlinuz" })},
		"a name goes before auto":    {config: "auto_initramfs=1\ninitramfs initrd followkernel", want: with(pi4, func(f *Firmware) { f.Initramfs = []string{"initrd"} })},
		"device tree":                {config: "device_tree=more", want: with(pi4, func(f *Firmware) { f.DeviceTree = "more" })},
		"upstream device tree":       {config: "arm_64bit=1\nupstream_kernel=1\nos_prefix=", want: with(pi3, func(f *Firmware) { f.DeviceTree = "bcm2837-rpi-3-b.dtb" })},
		"upstream, only ours there":  {config: "arm_64bit=1\nupstream_kernel=1\nos_prefix=", absent: []string{"bcm2837-rpi-3-b.dtb"}, want: pi3},
		"command line":               {config: "cmdline=other.txt", extra: map[string]string{"other.txt": "quiet"}, want: with(pi4, func(f *Firmware) { f.Cmdline = "quiet" })},
		"command line, DOS":          {extra: map[string]string{"cmdline.txt": "quiet\r\n\r\n"}, want: with(pi4, func(f *Firmware) { f.Cmdline = "quiet" })},
		"absolute names":             {config: "os_prefix=new/\nkernel=/vmlinuz\ncmdline=/cmdline.txt\ndevice_tree=/more", want: with(pi4, func(f *Firmware) { f.Prefix, f.Kernel, f.DeviceTree = "new/", "vmlinuz", "more" })},
		"Pi 5 with the other kernel": {config: "kernel=kernel8.img\nauto_initramfs=1", want: with(pi5, func(f *Firmware) { f.Kernel, f.Initramfs = "kernel8.img", []string{"initramfs_2712"} })},
		"prefix": {
			config: "os_prefix=new/\nauto_initramfs=1",
			want: with(pi4, func(f *Firmware) {
				f.Prefix, f.Kernel, f.DeviceTree, f.Cmdline = "new/", "new/kernel8.img", "new/bcm2711-rpi-4-b.dtb", "root=/dev/vda3"
				f.Initramfs = []string{"new/initramfs8"}
			}),
		},
		"prefix that leads nowhere": {
			config: "os_prefix=old/",
			want: with(pi4, func(f *Firmware) {
				f.Warnings = []string{"os_prefix=old/ is ignored: kernel and device tree are not both found with it"}
			}),
		},
		"upstream is a prefix": {
			config: "arm_64bit=1\nupstream_kernel=1",
			want: with(pi3, func(f *Firmware) {
				f.Prefix, f.Kernel, f.DeviceTree, f.Cmdline = "upstream/", "upstream/kernel8.img", "upstream/bcm2837-rpi-3-b.dtb", "root=/dev/vda4"
			}),
		},
		"upstream, no such prefix": {config: "upstream_kernel=1", want: pi4},
		"no device tree": {
			absent: []string{"bcm2711-rpi-4-b.dtb"},
			want: with(pi4, func(f *Firmware) {
				f.DeviceTree = ""
				f.Warnings = []string{"the device tree is not in the boot partition: bcm2711-rpi-4-b.dtb"}
			}),
		},
		"no firmware": {
			absent: []string{"start4.elf"},
			want:   with(pi4, func(f *Firmware) { f.Warnings = []string{"start4.elf is not in the boot partition"} }),
		},
		"second line of the command line": {
			extra: map[string]string{"cmdline.txt": "root=/dev/vda2\nquiet\n"},
			want: with(pi4, func(f *Firmware) {
				f.Warnings = []string{`cmdline.txt: only the first line reaches the kernel, not "quiet"`}
			}),
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
		"named kernel":      {"kernel=linux", "", "pi4: config.txt names the kernel linux, which is not in the boot partition"},
		"default kernel":    {"", "kernel8.img", "pi4: config.txt names no kernel, and kernel8.img is not in the boot partition"},
		"kernel is a dir":   {"kernel=new", "", "pi4: config.txt names the kernel new, which is not in the boot partition"},
		"initramfs":         {"initramfs initrd,none followkernel", "", "pi4: config.txt names the initramfs none, which is not in the boot partition"},
		"command line":      {"", "cmdline.txt", "pi4: cmdline.txt is not in the boot partition: the kernel would not know its root"},
		"both":              {"initramfs none", "cmdline.txt", "pi4: config.txt names the initramfs none, which is not in the boot partition\ncmdline.txt is not in the boot partition: the kernel would not know its root"},
		"with a prefix":     {"os_prefix=new/\ninitramfs initrd", "", "pi4: config.txt names the initramfs new/initrd, which is not in the boot partition"},
		"other kernel, dir": {"kernel=/nodir/linux", "", "pi4: config.txt names the kernel nodir/linux, which is not in the boot partition"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := bootPartition(fullPartition(map[string]string{"config.txt": tt.config}))
			delete(files, tt.absent)
			_, err := Choose(files, testBoard(t, "pi4"))
			require.EqualError(t, err, tt.want)
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
	require.EqualError(t, err, `board "pi2" is not known: want pi3, pi4, pi5`)
}
