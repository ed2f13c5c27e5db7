package firmware

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Board is a model of Raspberry Pi, with the properties on which its firmware's choices depend.
type Board struct {
	Name     string   // such as pi4
	Model    string   // such as Raspberry Pi 4 Model B
	Family   Family   // boards that share a firmware
	Filters  []string // filters of config.txt that match it
	Type     uint64   // model number in the revision code, for [board-type=…]
	Trees    []string // device trees as Raspberry Pi's kernels name them, its own first, then those of other boards
	Upstream []string // device trees as kernel.org's kernels name them, likewise
}

// Family is a generation of Raspberry Pi boards that share the files of the firmware.
type Family string

// The families.
const (
	Pi3 Family = "pi3" // BCM2837 and BCM2710A1: Pi 3, CM3, Zero 2 W
	Pi4 Family = "pi4" // BCM2711
	Pi5 Family = "pi5" // BCM2712
)

// Boards returns the supported Raspberry Pi models, those with 64-bit processors: Pi 3 to Pi 5.
func Boards() []Board {
	return []Board{
		{"pi3", "Raspberry Pi 3 Model B", Pi3, []string{"pi3"}, 0x08,
			[]string{"bcm2710-rpi-3-b.dtb"}, []string{"bcm2837-rpi-3-b.dtb"}},
		{"pi3+", "Raspberry Pi 3 Model B+", Pi3, []string{"pi3", "pi3+"}, 0x0d,
			[]string{"bcm2710-rpi-3-b-plus.dtb", "bcm2710-rpi-3-b.dtb"},
			[]string{"bcm2837-rpi-3-b-plus.dtb", "bcm2837-rpi-3-b.dtb"}},
		{"pi3a+", "Raspberry Pi 3 Model A+", Pi3, []string{"pi3", "pi3+"}, 0x0e,
			[]string{"bcm2710-rpi-3-b-plus.dtb"}, []string{"bcm2837-rpi-3-a-plus.dtb"}},
		{"cm3", "Compute Module 3", Pi3, []string{"pi3"}, 0x0a,
			[]string{"bcm2710-rpi-cm3.dtb"}, []string{"bcm2837-rpi-cm3-io3.dtb"}},
		{"cm3+", "Compute Module 3+", Pi3, []string{"pi3"}, 0x10,
			[]string{"bcm2710-rpi-cm3.dtb"}, []string{"bcm2837-rpi-cm3-io3.dtb"}},
		{"zero2w", "Raspberry Pi Zero 2 W", Pi3, []string{"pi0", "pi0w", "pi02"}, 0x12,
			[]string{"bcm2710-rpi-zero-2-w.dtb"}, []string{"bcm2837-rpi-zero-2-w.dtb"}},
		{"pi4", "Raspberry Pi 4 Model B", Pi4, []string{"pi4"}, 0x11,
			[]string{"bcm2711-rpi-4-b.dtb"}, []string{"bcm2711-rpi-4-b.dtb"}},
		{"pi400", "Raspberry Pi 400", Pi4, []string{"pi4", "pi400"}, 0x13,
			[]string{"bcm2711-rpi-400.dtb"}, []string{"bcm2711-rpi-400.dtb"}},
		{"cm4", "Compute Module 4", Pi4, []string{"pi4", "cm4"}, 0x14,
			[]string{"bcm2711-rpi-cm4.dtb"}, []string{"bcm2711-rpi-cm4-io.dtb"}},
		{"cm4s", "Compute Module 4S", Pi4, []string{"pi4", "cm4s"}, 0x15,
			[]string{"bcm2711-rpi-cm4s.dtb"}, []string{"bcm2711-rpi-cm4s.dtb"}},
		{"pi5", "Raspberry Pi 5", Pi5, []string{"pi5"}, 0x17,
			[]string{"bcm2712-rpi-5-b.dtb"}, []string{"bcm2712-rpi-5-b.dtb"}},
		{"pi500", "Raspberry Pi 500", Pi5, []string{"pi5", "pi500"}, 0x19,
			[]string{"bcm2712-rpi-500.dtb"}, []string{"bcm2712-rpi-500.dtb"}},
		{"cm5", "Compute Module 5", Pi5, []string{"pi5", "cm5"}, 0x18,
			[]string{"bcm2712-rpi-cm5-cm5io.dtb"}, []string{"bcm2712-rpi-cm5-cm5io.dtb"}},
		{"cm5l", "Compute Module 5 Lite", Pi5, []string{"pi5", "cm5"}, 0x1a,
			[]string{"bcm2712-rpi-cm5l-cm5io.dtb"}, []string{"bcm2712-rpi-cm5l-cm5io.dtb"}},
	}
}

// Names returns the names of all boards, in the order of Boards.
func Names() []string {
	var names []string
	for _, b := range Boards() {
		names = append(names, b.Name)
	}
	return names
}

// Named returns the board with a name, such as pi4. For an unknown name the error lists the known ones.
func Named(name string) (Board, error) {
	boards := Boards()
	i := slices.IndexFunc(boards, func(b Board) bool { return b.Name == name })
	if i < 0 {
		return Board{}, fmt.Errorf("unknown board %q, want %s", name, strings.Join(Names(), ", "))
	}
	return boards[i], nil
}

// kernels returns the default kernels of a family, in order of preference.
func (f Family) kernels(bits int) []string {
	switch {
	case f == Pi5:
		return []string{"kernel_2712.img", "kernel8.img"}
	case bits == 64:
		return []string{"kernel8.img"}
	case f == Pi4:
		return []string{"kernel7l.img"}
	}
	return []string{"kernel7.img"}
}

// platform is the name of a family in overlay_map.dtb.
func (f Family) platform() string {
	switch f {
	case Pi4:
		return "bcm2711"
	case Pi5:
		return "bcm2712"
	}
	return "bcm2835"
}

// State is what the firmware's choices depend on besides board and files. The zero value is a plain boot with the newest
// bootloader.
type State struct {
	Tryboot    bool              // the one-shot flag that `reboot "0 tryboot"` sets
	Partition  int               // partition that `reboot N` asked for; 0: none
	Serial     uint32            // last eight hexadecimal digits of the serial number
	Stepping   string            // of a BCM2712: D0, or C1 as in the first Pi 5; "" is C1
	Bootloader time.Time         // date of the bootloader in the EEPROM; zero: the newest
	StartFile  time.Time         // date of start.elf or start4.elf; zero: the newest
	Pins       map[int]bool      // levels of GPIO pins; the others are not connected
	Args       map[string]uint64 // values such as boot_arg1; the others are 0

	booted int // partition from which config.txt is read
}

// since reports whether the bootloader is at least as new as a date such as 2025-03-10.
func (s State) since(date string) bool {
	if s.Bootloader.IsZero() {
		return true
	}
	when, err := time.Parse(time.DateOnly, date)
	return err == nil && !s.Bootloader.Before(when)
}
