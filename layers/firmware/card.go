package firmware

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Partition is one partition of an SD card, with its number and files.
type Partition struct {
	Number int
	GPT    bool
	Type   byte  // in an MBR
	FAT    int   // 12, 16 or 32; 0 if it has no FAT file system
	Files  fs.FS // of the FAT file system
}

// ChooseFromCard returns what a board loads from a card: from the partition that `reboot N` asked for, else that of
// autoboot.txt in the first FAT partition, else the first FAT partition; partitions that the board cannot read do not count.
// If that partition is not bootable, bootloaders of the Pi 4 and 5 since August 2025 try the others.
func ChooseFromCard(partitions []Partition, b Board, s State) Choice {
	var usable []Partition
	var reasons []string
	for _, p := range partitions {
		if err := b.reads(p); err != nil {
			reasons = append(reasons, err.Error())
			continue
		}
		usable = append(usable, p)
	}
	if len(usable) == 0 {
		reasons = append(reasons, "card has no FAT partition from which it boots")
		return Choice{Board: b.Name, Outcome: NoFirmware, Initramfs: []string{}, Problem: strings.Join(reasons, "; ")}
	}
	first := usable[0]
	if b.Family == Pi3 && !has(first.Files, "bootcode.bin") {
		return Choice{Board: b.Name, Outcome: NoFirmware, Initramfs: []string{},
			Problem: fmt.Sprintf("bootcode.bin is missing in partition %d, the first with FAT", first.Number)}
	}
	number, name, warnings := s.partition(first)
	chosen := func(p Partition) Choice {
		s.booted = p.Number
		c := choose(p.Files, name, b, s)
		c.Warnings = append(slices.Clone(warnings), c.Warnings...)
		return c
	}
	i := slices.IndexFunc(usable, func(p Partition) bool { return p.Number == number })
	c := Choice{Board: b.Name, Outcome: NotBootable, Partition: number, Initramfs: []string{}, Warnings: warnings,
		Problem: fmt.Sprintf("card has no FAT partition %d", number)}
	if i >= 0 {
		c = chosen(usable[i])
	}
	if c.Outcome != NotBootable || b.Family == Pi3 || !s.since("2025-08-13") {
		return c
	}
	for n := range usable {
		p := usable[(max(i, 0)+n)%len(usable)]
		if p.Number == number {
			continue
		}
		if next := chosen(p); next.Outcome != NotBootable {
			next.Warnings = append([]string{fmt.Sprintf("partition %d is not bootable: %s", number, c.Problem)}, next.Warnings...)
			return next
		}
	}
	return c
}

// reads returns why the board does not boot from a partition.
func (b Board) reads(p Partition) error {
	// The types of FAT12, FAT16 and FAT32.
	types := []byte{0x01, 0x04, 0x06, 0x0b, 0x0c, 0x0e}
	switch {
	case p.FAT == 0:
		return fmt.Errorf("partition %d has no FAT file system", p.Number)
	case p.GPT && b.Family == Pi3:
		return fmt.Errorf("partition %d is in a GPT, which this board does not read", p.Number)
	case !p.GPT && !slices.Contains(types, p.Type) && (p.Type != 0xef || b.Family == Pi3):
		return fmt.Errorf("partition %d has type 0x%02x, from which this board does not boot", p.Number, p.Type)
	}
	return nil
}

// partition returns the number of the partition to boot and the name of the file that is read as config.txt.
func (s State) partition(first Partition) (number int, name string, warnings []string) {
	name = "config.txt"
	if s.Tryboot {
		name = "tryboot.txt"
	}
	data, err := fs.ReadFile(first.Files, "autoboot.txt")
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			warnings = append(warnings, err.Error())
		}
	}
	auto := readAutoboot(data, s.Tryboot)
	if auto.slots {
		name = "config.txt"
	}
	number = first.Number
	if auto.partition > 0 {
		number = auto.partition
	}
	if s.Partition > 0 {
		number = s.Partition
	}
	return number, name, append(warnings, auto.warnings...)
}

func has(files fs.FS, name string) bool {
	info, err := fs.Stat(files, name)
	return err == nil && !info.IsDir()
}
