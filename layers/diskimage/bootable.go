package diskimage

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/diskfs/go-diskfs/partition/mbr"
)

// bootable returns the partitions that a Raspberry Pi boots from. All others must be in drop.
func bootable(image *os.File, drop []uint32) (boot, root partition, err error) {
	all, err := readPartitions(image)
	if err != nil {
		return boot, root, err
	}
	boot, err = find(image, all, 1, "FAT32", "type 0x0c", mbr.Fat32LBA, mbr.Fat32CHS)
	if err != nil {
		return boot, root, err
	}
	root, err = find(image, all, 2, "ext4", "type 0x83", mbr.Linux)
	if err != nil {
		return boot, root, err
	}
	return boot, root, checkDropped(image, all, drop)
}

// find returns the partition of a number. It fails if its type is not one of kinds or if it holds something else than
// content; content that is not known is left to the reader of the file system.
func find(image io.ReaderAt, all []partition, number uint32, content, kind string, kinds ...mbr.Type) (partition, error) {
	i := slices.IndexFunc(all, func(p partition) bool { return p.number == number })
	if i < 0 {
		return partition{}, fmt.Errorf("partition %d is missing, want %s", number, content)
	}
	p := all[i]
	name, err := identifyAs(content, image, p.start)
	if err != nil {
		return p, fmt.Errorf("partition %d: %w", number, err)
	}
	what := p.describe(name)
	switch {
	case name != content && name != "":
		return p, fmt.Errorf("%s: want %s", what, content)
	case !slices.Contains(kinds, p.kind):
		return p, fmt.Errorf("%s: want %s", what, kind)
	}
	return p, nil
}

// checkDropped fails if a partition would be missing from the new image and is not in drop, or the reverse.
func checkDropped(image io.ReaderAt, all []partition, drop []uint32) error {
	var missing, numbers []string
	known := map[uint32]bool{}
	for _, p := range all {
		if known[p.number] = p.number > 2; !known[p.number] {
			continue
		}
		numbers = append(numbers, fmt.Sprint(p.number))
		if slices.Contains(drop, p.number) {
			continue
		}
		name, err := identify(image, p.start)
		if err != nil {
			return fmt.Errorf("partition %d: %w", p.number, err)
		}
		missing = append(missing, p.describe(name))
	}
	for _, number := range drop {
		if !known[number] {
			return fmt.Errorf("drop-partitions: image has no partition %d that can be dropped", number)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s would be missing from the new image, which has partitions 1 and 2 of a base: "+
			"if that is intended, add drop-partitions: [%s] to base.image of the recipe",
			strings.Join(missing, " and "), strings.Join(numbers, ", "))
	}
	return nil
}
