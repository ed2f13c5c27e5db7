package firmware

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// card makes an image with sfdisk's input and FAT file systems that mkfs.vfat and mcopy write, by their start in MiB.
func card(t *testing.T, table string, systems map[int][]string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	image := filepath.Join(dir, "card.img")
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, 128<<20))
	run := func(stdin, name string, args ...string) {
		cmd := exec.Command(needs.Program(t, name), args...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s %s: %s", name, args, out)
	}
	run(table, "sfdisk", "-q", image)
	for start, args := range systems {
		part := filepath.Join(dir, "part")
		run("", "mkfs.vfat", append(args, "-C", part, "40960")...)
		for name, text := range files {
			file := filepath.Join(dir, "file")
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			run("", "mcopy", "-i", part, file, "::"+name)
		}
		data, err := os.ReadFile(part)
		require.NoError(t, err)
		require.NoError(t, os.Remove(part))
		f, err := os.OpenFile(image, os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.WriteAt(data, int64(start)<<20)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	return image
}

func TestOpenCard(t *testing.T) {
	files := map[string]string{
		"config.txt": "", "cmdline.txt": "root=A", "bootcode.bin": "", "start.elf": "", "fixup.dat": "", "start4.elf": "", "fixup4.dat": "",
		"kernel7.img": "", "kernel8.img": "", "bcm2711-rpi-4-b.dtb": "", "bcm2710-rpi-3-b.dtb": "", "bcm2712-rpi-5-b.dtb": "",
	}
	mbr := "label: dos\nstart=1MiB, size=40MiB, type="
	for name, tt := range map[string]struct {
		table    string
		system   []string
		problems map[string]string // by board; the others start
	}{
		"FAT12": {mbr + "0x01", []string{"-F12", "-s64"}, nil},
		"FAT16": {mbr + "0x0e", []string{"-F16"}, nil},
		"FAT32": {mbr + "0x0c", []string{"-F32", "-s1"}, nil},
		"EFI partition": {mbr + "0xef", []string{"-F16"}, map[string]string{
			"pi3": "pi3: partition 1 has type 0xef, from which this board does not boot; card has no FAT partition from which it boots"}},
		"Linux partition": {mbr + "0x83", []string{"-F16"}, map[string]string{
			"pi3": "pi3: partition 1 has type 0x83, from which this board does not boot; card has no FAT partition from which it boots",
			"pi4": "pi4: partition 1 has type 0x83, from which this board does not boot; card has no FAT partition from which it boots",
			"pi5": "pi5: partition 1 has type 0x83, from which this board does not boot; card has no FAT partition from which it boots"}},
		"GPT": {"label: gpt\nstart=1MiB, size=40MiB, type=uefi", []string{"-F16"}, map[string]string{
			"pi3": "pi3: partition 1 is in a GPT, which this board does not read; card has no FAT partition from which it boots"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := OpenCard(t.Context(), card(t, tt.table, map[int][]string{1: tt.system}, files))
			require.NoError(t, err)
			defer c.Close()
			for _, board := range []string{"pi3", "pi4", "pi5"} {
				err := ChooseFromCard(c.Partitions, testBoard(t, board), State{}).Err()
				if want := tt.problems[board]; want != "" {
					require.EqualError(t, err, want)
					continue
				}
				require.NoError(t, err)
			}
		})
	}
}

func TestOpenCardErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "image")
	_, err := OpenCard(t.Context(), file)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(file, append([]byte("\x1f\x8b\x08\x00"), make([]byte, 4096)...), 0o600))
	_, err = OpenCard(t.Context(), file)
	require.EqualError(t, err, file+": no partition table (compressed; run: gunzip)")
}

func TestPartitions(t *testing.T) {
	empty := bootPartition(map[string]string{"x": ""})
	auto := func(text string) Partition {
		return Partition{Number: 1, Type: 0x0c, FAT: 32, Files: bootPartition(map[string]string{"autoboot.txt": text, "bootcode.bin": ""})}
	}
	part := func(n int, files map[string]string) Partition {
		full := bootPartition(fullPartition(map[string]string{"config.txt": ""}))
		for name, text := range files {
			full[name] = bootPartition(map[string]string{"x": text})["x"]
		}
		return Partition{Number: n, Type: 0x0c, FAT: 32, Files: full}
	}
	root := Partition{Number: 2, Type: 0x83}
	for name, tt := range map[string]struct {
		board     string
		parts     []Partition
		state     State
		partition int
		problem   string
		warnings  []string
	}{
		"first":    {board: "pi4", parts: []Partition{part(1, nil), root}, partition: 1},
		"not FAT":  {board: "pi4", parts: []Partition{{Number: 1, Type: 0x83}, part(2, nil)}, partition: 2},
		"autoboot": {board: "pi4", parts: []Partition{auto("boot_partition=3"), part(2, nil), part(3, nil)}, partition: 3},
		"autoboot on a Pi 3": {board: "pi3", parts: []Partition{auto("boot_partition=3"), part(2, nil), part(3, nil)},
			partition: 3},
		"reboot N": {board: "pi4", parts: []Partition{auto("boot_partition=3"), part(2, nil), part(3, nil)},
			state: State{Partition: 2}, partition: 2},
		"tryboot with tryboot_a_b": {board: "pi4", state: State{Tryboot: true}, partition: 3, parts: []Partition{
			auto("tryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3"), part(2, nil), part(3, nil)}},
		"no such partition": {board: "pi4", parts: []Partition{auto("boot_partition=5"), part(2, nil)},
			state: State{Bootloader: date("2025-01-01")}, problem: "pi4: card has no FAT partition 5"},
		"no such partition, partition walk": {board: "pi4", parts: []Partition{auto("boot_partition=5"), part(2, nil)}, partition: 2,
			warnings: []string{"partition 5 is not bootable: card has no FAT partition 5"}},
		"not bootable, partition walk": {board: "pi4",
			parts: []Partition{{Number: 1, Type: 0x0c, FAT: 32, Files: empty}, part(2, nil)}, partition: 2,
			warnings: []string{"partition 1 is not bootable: start4.elf is missing"}},
		"not bootable, older bootloader": {board: "pi4", state: State{Bootloader: date("2025-08-12")},
			parts: []Partition{{Number: 1, Type: 0x0c, FAT: 32, Files: empty}, part(2, nil)}, problem: "pi4: start4.elf is missing"},
		"no kernel: no partition walk": {board: "pi4",
			parts:   []Partition{part(1, map[string]string{"config.txt": "kernel=none"}), part(2, nil)},
			problem: "pi4: config.txt names the kernel none, which is not in the boot partition"},
		"Pi 3 has its bootcode.bin in the first partition": {board: "pi3",
			parts:   []Partition{{Number: 1, Type: 0x0c, FAT: 32, Files: empty}, part(2, nil)},
			problem: "pi3: bootcode.bin is missing in partition 1, the first with FAT"},
		"boot_partition in config.txt": {board: "pi4", partition: 2, parts: []Partition{auto("boot_partition=2"),
			part(2, map[string]string{"config.txt": "[boot_partition=1]\nkernel=none"})}},
		"mistakes in autoboot.txt": {board: "pi4", partition: 2, warnings: []string{
			`autoboot.txt:1: unknown filter "[pi4]" does not match`,
			`autoboot.txt:2: "kernel=x" is not boot_partition=N or tryboot_a_b=1`,
			`autoboot.txt:6: "boot_partition=x" is not boot_partition=N or tryboot_a_b=1`,
		}, parts: []Partition{
			auto("[pi4]\nkernel=x\nboot_partition=7\n[all]\nboot_partition=2\nboot_partition=x\n[none]\nboot_partition=9"), part(2, nil)}},
	} {
		t.Run(name, func(t *testing.T) {
			c := ChooseFromCard(tt.parts, testBoard(t, tt.board), tt.state)
			if tt.problem != "" {
				require.EqualError(t, c.Err(), tt.problem)
				return
			}
			require.NoError(t, c.Err())
			require.Equal(t, tt.partition, c.Partition)
			require.Equal(t, tt.warnings, c.Warnings)
		})
	}
}

func FuzzAutoboot(f *testing.F) {
	f.Add([]byte("[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n"), true)
	f.Fuzz(func(t *testing.T, data []byte, tryboot bool) {
		a := readAutoboot(data, tryboot)
		require.GreaterOrEqual(t, a.partition, 0)
		require.LessOrEqual(t, a.partition, 255)
	})
}
