package qemu

import (
	"fmt"
	"slices"
	"strings"
)

// Board is a model of Raspberry Pi, with the properties on which its firmware's choices depend. Source:
// https://www.raspberrypi.com/documentation/computers/config_txt.html
type Board struct {
	Name     string   // such as pi4
	Filters  []string // filters of config.txt that match it
	Type     uint64   // model number in the revision code, for [board-type=…]
	Bits64   bool     // arm_64bit is 1 by default
	Only64   bool     // it starts 64-bit kernels only
	Kernels  []string // default 64-bit kernels, in order of preference
	Kernel32 string   // default 32-bit kernel, "" where there is none
	Tree     string   // device tree, as Raspberry Pi's kernels name it
	Upstream string   // device tree, as kernel.org's kernels name it
	Starts   []string // files of the firmware itself
}

// Boards returns the Raspberry Pi models that images are checked for.
func Boards() []Board {
	return []Board{
		{
			Name: "pi3", Filters: []string{"pi3"}, Type: 0x08,
			Kernels: []string{"kernel8.img"}, Kernel32: "kernel7.img",
			Tree: "bcm2710-rpi-3-b.dtb", Upstream: "bcm2837-rpi-3-b.dtb",
			Starts: []string{"bootcode.bin", "start.elf", "fixup.dat"},
		},
		{
			Name: "pi4", Filters: []string{"pi4"}, Type: 0x11, Bits64: true,
			Kernels: []string{"kernel8.img"}, Kernel32: "kernel7l.img",
			Tree: "bcm2711-rpi-4-b.dtb", Upstream: "bcm2711-rpi-4-b.dtb",
			Starts: []string{"start4.elf", "fixup4.dat"},
		},
		{
			Name: "pi5", Filters: []string{"pi5"}, Type: 0x17, Bits64: true, Only64: true,
			Kernels: []string{"kernel_2712.img", "kernel8.img"},
			Tree:    "bcm2712-rpi-5-b.dtb", Upstream: "bcm2712-rpi-5-b.dtb",
		},
	}
}

// board finds a board by its name.
func board(name string) (Board, error) {
	boards := Boards()
	i := slices.IndexFunc(boards, func(b Board) bool { return b.Name == name })
	if i < 0 {
		var names []string
		for _, b := range boards {
			names = append(names, b.Name)
		}
		return Board{}, fmt.Errorf("unknown board %q, want %s", name, strings.Join(names, ", "))
	}
	return boards[i], nil
}
