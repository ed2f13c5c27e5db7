package firmware

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

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

func board64(name, kernel, tree string) Choice {
	return Choice{
		Board: name, Outcome: Starts, Kernel: kernel, Bits: 64, Initramfs: []string{}, DeviceTree: tree,
		CmdlineFile: "cmdline.txt", Cmdline: "root=/dev/vda2",
	}
}

func TestChoose(t *testing.T) {
	pi3 := board64("pi3", "kernel8.img", "bcm2710-rpi-3-b.dtb")
	pi4 := board64("pi4", "kernel8.img", "bcm2711-rpi-4-b.dtb")
	pi5 := board64("pi5", "kernel_2712.img", "bcm2712-rpi-5-b.dtb")
	with := func(f Choice, changes ...func(*Choice)) Choice {
		for _, change := range changes {
			change(&f)
		}
		return f
	}
	kernel := func(name string, bits int) func(*Choice) {
		return func(f *Choice) { f.Kernel, f.Bits = name, bits }
	}
	initramfs := func(names ...string) func(*Choice) { return func(f *Choice) { f.Initramfs = names } }
	tree := func(name string) func(*Choice) { return func(f *Choice) { f.DeviceTree = name } }
	cmdline := func(file, line string) func(*Choice) {
		return func(f *Choice) { f.CmdlineFile, f.Cmdline = file, line }
	}
	overlay := func(file string, parameters ...string) func(*Choice) {
		return func(f *Choice) { f.Overlays = append(f.Overlays, Overlay{file, parameters}) }
	}
	prefix := func(name string) func(*Choice) { return func(f *Choice) { f.Prefix = name } }
	warning := func(text string) func(*Choice) { return func(f *Choice) { f.Warnings = []string{text} } }
	tests := map[string]struct {
		config string
		state  State
		extra  map[string]string
		absent []string
		want   Choice
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
		"Pi 3 with an unknown one": {config: "kernel=vmlinuz", want: with(pi3, kernel("vmlinuz", 32),
			warning("kernel vmlinuz starts in 32-bit mode, which a 64-bit kernel cannot: config.txt does not set arm_64bit"))},
		"Pi 4 in 32 bits":         {config: "arm_64bit=0", want: with(pi4, kernel("kernel7l.img", 32))},
		"Pi 4 with an old kernel": {config: "kernel=kernel7l.img", want: with(pi4, kernel("kernel7l.img", 32))},
		"Pi 5 knows no 32 bits":   {config: "arm_64bit=0", want: pi5},
		"initramfs":               {config: "initramfs initrd followkernel", want: with(pi4, initramfs("initrd"))},
		"initramfs at an address": {config: "initramfs initrd 0x00800000", want: with(pi4, initramfs("initrd"))},
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
			config: "cmdline=other.txt", extra: map[string]string{"other.txt": "quiet"}, want: with(pi4, cmdline("other.txt", "quiet")),
		},
		"command line, DOS": {
			extra: map[string]string{"cmdline.txt": "quiet\r\n\r\n"}, want: with(pi4, cmdline("cmdline.txt", "quiet")),
		},
		"absolute names": {
			config: "os_prefix=new/\nkernel=/vmlinuz\ncmdline=/cmdline.txt\ndevice_tree=/more",
			want:   with(pi4, prefix("new/"), kernel("vmlinuz", 64), tree("more")),
		},
		"Pi 5 with the other kernel": {
			config: "kernel=kernel8.img\nauto_initramfs=1",
			state:  State{Bootloader: date("2025-05-08")},
			want: with(pi5, kernel("kernel8.img", 64), initramfs("initramfs_2712"),
				warning("auto_initramfs with kernel=kernel8.img loads initramfs_2712 with bootloaders before June 2025: name both")),
		},
		"Pi 5 with the other kernel, newer bootloader": {
			config: "kernel=kernel8.img\nauto_initramfs=1",
			want: with(pi5, kernel("kernel8.img", 64), initramfs("initramfs8"),
				warning("auto_initramfs with kernel=kernel8.img loads initramfs_2712 with bootloaders before June 2025: name both")),
		},
		"prefix": {
			config: "os_prefix=new/\nauto_initramfs=1",
			want: with(pi4, prefix("new/"), kernel("new/kernel8.img", 64), initramfs("new/initramfs8"),
				tree("new/bcm2711-rpi-4-b.dtb"), cmdline("new/cmdline.txt", "root=/dev/vda3")),
		},
		"prefix without a device tree": {
			config: "os_prefix=old/",
			want:   with(pi4, warning("os_prefix=old/ is ignored: no device tree (bcm2711-rpi-4-b.dtb) is there")),
		},
		"upstream is a prefix": {
			config: "arm_64bit=1\nupstream_kernel=1",
			want: with(pi3, prefix("upstream/"), kernel("upstream/kernel8.img", 64),
				tree("upstream/bcm2837-rpi-3-b.dtb"), cmdline("upstream/cmdline.txt", "root=/dev/vda4")),
		},
		"upstream, no such prefix": {config: "upstream_kernel=1", want: pi4},
		"no device tree": {
			absent: []string{"bcm2711-rpi-4-b.dtb"},
			want:   with(pi4, tree(""), warning("no device tree in the boot partition: bcm2711-rpi-4-b.dtb")),
		},
		"no fixup": {
			absent: []string{"fixup4.dat"},
			want:   with(pi4, warning("fixup4.dat is missing: the board may not see all of its memory")),
		},
		"no command line": {
			absent: []string{"cmdline.txt"},
			want: with(pi4, cmdline("", builtinCmdline),
				warning("cmdline.txt is missing: the firmware's own command line is used, "+builtinCmdline)),
		},
		"empty command line": {
			extra: map[string]string{"cmdline.txt": " \n"},
			want: with(pi4, cmdline("", builtinCmdline),
				warning("cmdline.txt is empty: the firmware's own command line is used, "+builtinCmdline)),
		},
		"no command line behind the prefix": {
			config: "os_prefix=new/", absent: []string{"new/cmdline.txt"},
			want: with(pi4, prefix("new/"), kernel("new/kernel8.img", 64), tree("new/bcm2711-rpi-4-b.dtb"),
				warning("new/cmdline.txt is missing: the command line is that of cmdline.txt")),
		},
		"no device tree on purpose": {
			config: "device_tree=\ndtparam=i2c_arm=on",
			want: with(pi4, tree(""), func(f *Choice) {
				f.Warnings = []string{
					"no device tree is loaded: config.txt has an empty device_tree",
					"overlays and parameters are ignored: no device tree is loaded",
				}
			}),
		},
		"tree of another board": {
			config: "arm_64bit=1", want: with(board64("pi3+", "kernel8.img", "bcm2710-rpi-3-b.dtb"),
				warning("bcm2710-rpi-3-b.dtb is the device tree of another board")),
		},
		"overlays": {
			config: "dtoverlay=one,a=1,b\ndtparam=c=2\ndtoverlay=\ndtparam=base=on\ndtoverlay=two",
			extra:  map[string]string{"overlays/one.dtbo": "", "overlays/two.dtbo": "", "new/overlays/one.dtbo": ""},
			want: with(pi4, overlay("overlays/one.dtbo", "a=1", "b", "c=2"), overlay("overlays/two.dtbo"),
				func(f *Choice) { f.Parameters = []string{"base=on"} }),
		},
		"overlay that is missing": {
			config: "dtoverlay=one", want: with(pi4, warning("overlay one is ignored: overlays/one.dtbo is not in the boot partition")),
		},
		"overlays behind the prefix": {
			config: "os_prefix=new/\ndtoverlay=one",
			extra:  map[string]string{"overlays/one.dtbo": "", "new/overlays/one.dtbo": "", "new/overlays/README": ""},
			want: with(pi4, prefix("new/"), kernel("new/kernel8.img", 64), tree("new/bcm2711-rpi-4-b.dtb"),
				cmdline("new/cmdline.txt", "root=/dev/vda3"), overlay("new/overlays/one.dtbo")),
		},
		"overlays behind the prefix, README.md": {
			config: "os_prefix=new/\ndtoverlay=one",
			extra:  map[string]string{"overlays/one.dtbo": "", "new/overlays/one.dtbo": "", "new/overlays/README.md": ""},
			want: with(pi4, prefix("new/"), kernel("new/kernel8.img", 64), tree("new/bcm2711-rpi-4-b.dtb"),
				cmdline("new/cmdline.txt", "root=/dev/vda3"), overlay("overlays/one.dtbo")),
		},
		"stepping D0": {
			state: State{Stepping: "D0"}, extra: map[string]string{"overlays/bcm2712d0.dtbo": ""},
			want: with(pi5, overlay("overlays/bcm2712d0.dtbo")),
		},
		"stepping D0 without its overlay": {
			state: State{Stepping: "D0"}, want: with(pi5, warning(
				"overlays/bcm2712d0.dtbo is missing: bcm2712-rpi-5-b.dtb is for stepping C1 of the processor, not D0")),
		},
		"tryboot": {
			state: State{Tryboot: true}, config: "kernel=none", extra: map[string]string{"tryboot.txt": "[tryboot]\nkernel=vmlinuz"},
			want: with(pi4, kernel("vmlinuz", 64)),
		},
		"start_x": {
			config: "start_x=1", absent: []string{"start4.elf", "fixup4.dat"},
			extra: map[string]string{"start4x.elf": "", "fixup4x.dat": ""}, want: pi4,
		},
		"an included start_x is not read": {
			config: "include more.txt", extra: map[string]string{"more.txt": "start_x=1\n"}, want: pi4,
		},
		"start_debug": {
			config: "start_debug=1", absent: []string{"start4.elf", "fixup4.dat"},
			extra: map[string]string{"start4db.elf": "", "fixup4db.dat": ""}, want: pi4,
		},
		"cut-down firmware": {
			config: "gpu_mem=16", absent: []string{"start4.elf", "fixup4.dat"},
			extra: map[string]string{"start4cd.elf": "", "fixup4cd.dat": ""}, want: pi4,
		},
		"named firmware": {
			config: "start_file=a.elf\nfixup_file=a.dat", absent: []string{"start4.elf", "fixup4.dat"},
			extra: map[string]string{"a.elf": "", "a.dat": ""}, want: pi4,
		},
		"gzip of a 64-bit kernel": {extra: map[string]string{"kernel8.img": gzipped(arm64Image)}, want: pi4},
		"64-bit kernel":           {extra: map[string]string{"kernel8.img": arm64Image}, want: pi4},
		"32-bit kernel": {
			config: "arm_64bit=0", extra: map[string]string{"kernel7l.img": zImage}, want: with(pi4, kernel("kernel7l.img", 32)),
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
			require.Equal(t, tt.want, Choose(files, testBoard(t, tt.want.Board), tt.state))
		})
	}
}

// arm64Image and zImage begin like kernels.
var (
	arm64Image = strings.Repeat("\x00", 56) + "ARMd" + strings.Repeat("\x00", 100)
	zImage     = strings.Repeat("\x00", 36) + "\x18\x28\x6f\x01" + strings.Repeat("\x00", 100)
)

func gzipped(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write([]byte(text))
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err)
	}
	return out.String()
}

func date(text string) time.Time {
	when, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return when
}

func TestChooseErrors(t *testing.T) {
	tests := map[string]struct {
		board, config string // pi4 if empty
		extra         map[string]string
		absent        string
		outcome       Outcome
		want          string
	}{
		"named kernel": {config: "kernel=linux", outcome: NoKernel,
			want: "config.txt names the kernel linux, which is not in the boot partition"},
		"default kernel": {absent: "kernel8.img", outcome: NoKernel,
			want: "config.txt names no kernel, and kernel8.img is not in the boot partition"},
		"kernel is a directory": {config: "kernel=new", outcome: NoKernel,
			want: "config.txt names the kernel new, which is not in the boot partition"},
		"kernel in no directory": {config: "kernel=/nodir/linux", outcome: NoKernel,
			want: "config.txt names the kernel nodir/linux, which is not in the boot partition"},
		"initramfs": {config: "initramfs initrd,none followkernel", outcome: NoKernel,
			want: "config.txt names the initramfs none, which is not in the boot partition"},
		"initramfs behind a prefix": {config: "os_prefix=new/\ninitramfs initrd", outcome: NoKernel,
			want: "config.txt names the initramfs new/initrd, which is not in the boot partition"},
		"64-bit kernel in 32-bit mode": {board: "pi3", config: "kernel=vmlinuz", extra: map[string]string{"vmlinuz": arm64Image},
			outcome: NoKernel, want: "kernel vmlinuz is a 64-bit one and would start in 32-bit mode; set arm_64bit=1 in config.txt"},
		"gzip of it": {board: "pi3", config: "kernel=vmlinuz", extra: map[string]string{"vmlinuz": gzipped(arm64Image)},
			outcome: NoKernel, want: "kernel vmlinuz is a 64-bit one and would start in 32-bit mode; set arm_64bit=1 in config.txt"},
		"32-bit kernel in 64-bit mode": {config: "kernel=vmlinuz", extra: map[string]string{"vmlinuz": zImage},
			outcome: NoKernel, want: "kernel vmlinuz is a 32-bit one and would start in 64-bit mode; set arm_64bit=0 in config.txt"},
		"EFI zboot": {extra: map[string]string{"kernel8.img": "MZ\x00\x00zimg" + strings.Repeat("\x00", 90)},
			outcome: NoKernel, want: "kernel kernel8.img is an EFI zboot image, which no firmware decompresses"},
		"no kernel's format": {extra: map[string]string{"kernel8.img": "\x7fELF" + strings.Repeat("\x00", 90)},
			outcome: NoKernel, want: "kernel kernel8.img is neither an arm64 Image nor a gzip of one, nor a zImage"},
		"damaged gzip": {extra: map[string]string{"kernel8.img": "\x1f\x8bxxxxxxxxxxxx"},
			outcome: NoKernel, want: "read kernel kernel8.img: gzip: invalid header"},
		"Pi 3 without bootcode.bin": {board: "pi3", absent: "bootcode.bin", outcome: NoFirmware, want: "bootcode.bin is missing"},
		"Pi 3 without start.elf":    {board: "pi3", absent: "start.elf", outcome: NoFirmware, want: "start.elf is missing"},
		"Pi 4 without start4.elf":   {absent: "start4.elf", outcome: NotBootable, want: "start4.elf is missing"},
		"Pi 5 without config.txt": {board: "pi5", absent: "config.txt", outcome: NotBootable,
			want: "config.txt is missing, which a Pi 5 requires"},
		"Pi 5 without a device tree": {board: "pi5", absent: "bcm2712-rpi-5-b.dtb", outcome: NotBootable,
			want: "no compatible device tree: bcm2712-rpi-5-b.dtb is missing (os_check)"},
		"CM5 with the tree of a Pi 5": {board: "cm5", outcome: NotBootable,
			want: "no compatible device tree: bcm2712-rpi-cm5-cm5io.dtb is missing (os_check)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := bootPartition(fullPartition(map[string]string{"config.txt": tt.config}))
			for name, text := range tt.extra {
				files[name] = &fstest.MapFile{Data: []byte(text)}
			}
			delete(files, tt.absent)
			b := testBoard(t, cmp.Or(tt.board, "pi4"))
			got := Choose(files, b, State{})
			require.EqualError(t, got.Err(), b.Name+": "+tt.want)
			require.Equal(t, tt.outcome, got.Outcome)
		})
	}
}

func TestNamed(t *testing.T) {
	_, err := Named("pi2")
	require.EqualError(t, err, `unknown board "pi2", want `+strings.Join(Names(), ", "))
}

func FuzzChoose(f *testing.F) {
	f.Add("kernel=vmlinuz\ninitramfs a,b followkernel\n[pi5]\nkernel=vmlinuz\n[all]\n",
		"console=serial0,115200 root=PARTUUID=1-02\n", false)
	f.Add("os_prefix=new/\nauto_initramfs=1\ninclude config.txt\n[gpio4=1]\n[EDID=x]\n[none]\n[board-type=0x11]\n", "quiet", true)
	f.Add("dtoverlay=x,y=1\ndtparam=z\n[boot_arg1&0xf=3]\n[boot_partition=1]\ndevice_tree=\nupstream_kernel=1", "", false)
	f.Add("[", "\n", true)
	f.Fuzz(func(t *testing.T, config, cmdline string, tryboot bool) {
		files := bootPartition(map[string]string{
			"config.txt": config, "tryboot.txt": config, "cmdline.txt": cmdline, "kernel8.img": "", "vmlinuz": "", "a": "", "b": "",
			"bootcode.bin": "", "start.elf": "", "start4.elf": "", "bcm2711-rpi-4-b.dtb": "", "overlays/x.dtbo": "",
		})
		for _, b := range Boards() {
			c := Choose(files, b, State{Tryboot: tryboot})
			require.Equal(t, c.Problem == "", c.Outcome == Starts)
			if c.Problem != "" {
				continue
			}
			names := append([]string{c.Kernel}, c.Initramfs...)
			for _, o := range c.Overlays {
				names = append(names, o.File)
			}
			for _, name := range names {
				require.Contains(t, files, name)
			}
			require.NotContains(t, c.Cmdline, "\n")
			require.NotEmpty(t, c.Cmdline)
		}
	})
}
