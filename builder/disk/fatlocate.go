package disk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"unicode/utf16"
)

// locateFAT tells what a byte of the image in the boot partition belongs to.
func locateFAT(f *os.File, p partition, at int64) (name, field string, err error) {
	img, err := openFAT(f, p)
	if err != nil {
		return "", "", err
	}
	if at < img.data {
		return "", img.headerField(at - p.start), nil
	}
	cluster := uint32((at-img.data)/img.cluster) + 2
	name, directory, index, err := img.owner(firmwarePath{"/" + firmware, 2, true}, cluster)
	switch {
	case err != nil:
		return "", "", err
	case index < 0:
		return "", "free cluster", nil
	}
	within := int64(index)*img.cluster + (at-img.data)%img.cluster
	if directory {
		return name, fmt.Sprintf("directory entry %d, %s", within/32, entryField(within%32)), nil
	}
	return name, fmt.Sprintf("content, byte %d of it,", within), nil
}

// headerField names a byte before the first cluster.
func (img fatImage) headerField(at int64) string {
	switch sectorNumber := at / sector; {
	case sectorNumber == 0 || sectorNumber == backupBoot:
		field := "field at " + fmt.Sprint(at%sector)
		for _, known := range []struct {
			start, end int64
			name       string
		}{
			{offsetReserved, offsetReserved + 2, "reserved sectors"}, {offsetHidden, offsetHidden + 4, "hidden sectors"},
			{offsetFATSize, offsetFATSize + 4, "size of the FAT"}, {offsetSerial, offsetSerial + 4, "volume ID"},
			{offsetLabel, offsetLabel + 11, "label"},
		} {
			if at%sector >= known.start && at%sector < known.end {
				field = known.name
			}
		}
		return fmt.Sprintf("boot sector %d, %s", sectorNumber, field)
	case sectorNumber == infoSector || sectorNumber == backupBoot+infoSector:
		return fmt.Sprintf("FSInfo in sector %d", sectorNumber)
	case at < img.reserved:
		return "reserved sectors"
	}
	at -= img.reserved
	return fmt.Sprintf("FAT %d, entry of cluster %d", at/img.size+1, at%img.size/4)
}

const offsetLabel = 71

// firmwarePath is a file or directory, by its first cluster.
type firmwarePath struct {
	name      string
	cluster   uint32
	directory bool
}

// owner finds the file or directory that a cluster belongs to, and which of its clusters it is; -1 if there is none.
func (img fatImage) owner(f firmwarePath, cluster uint32) (name string, directory bool, index int, err error) {
	chain := img.chain(f.cluster)
	if i := slices.Index(chain, cluster); i >= 0 {
		return f.name, f.directory, i, nil
	}
	if !f.directory {
		return "", false, -1, nil
	}
	var data []byte
	for _, c := range chain {
		block := make([]byte, img.cluster)
		if _, err := img.f.ReadAt(block, img.data+int64(c-2)*img.cluster); err != nil {
			return "", false, -1, err
		}
		data = append(data, block...)
	}
	for _, child := range children(data) {
		child.name = path.Join(f.name, child.name)
		if name, directory, index, err = img.owner(child, cluster); err != nil || index >= 0 {
			return name, directory, index, err
		}
	}
	return "", false, -1, nil
}

func (img fatImage) chain(cluster uint32) (all []uint32) {
	for at := cluster; at >= 2 && int(at) < len(img.table) && len(all) < len(img.table); at = img.table[at] {
		all = append(all, at)
	}
	return all
}

// children are the entries of a directory, by their long names where they have one.
func children(data []byte) (out []firmwarePath) {
	var long []uint16
	for e := data; len(e) >= 32 && e[0] != 0; e = e[32:] {
		switch attr := e[11]; {
		case e[0] == deleted:
			long = nil
		case attr&attrLongName == attrLongName:
			var part []uint16
			for _, i := range []int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30} {
				part = append(part, binary.LittleEndian.Uint16(e[i:]))
			}
			long = append(part, long...)
		case attr&attrVolume != 0 || e[0] == '.':
			long = nil
		default:
			child := firmwarePath{name: shortName(e), directory: attr&attrDirectory != 0,
				cluster: uint32(binary.LittleEndian.Uint16(e[20:]))<<16 | uint32(binary.LittleEndian.Uint16(e[26:]))}
			if end := slices.Index(append(long, 0), 0); end > 0 {
				child.name = string(utf16.Decode(long[:end]))
			}
			out, long = append(out, child), nil
		}
	}
	return out
}

func shortName(e []byte) string {
	name, extension := bytes.TrimRight(e[:8], " "), bytes.TrimRight(e[8:11], " ")
	return strings.TrimSuffix(string(name)+"."+string(extension), ".")
}

// entryField names a byte of a directory entry.
func entryField(at int64) string {
	switch {
	case at < 11:
		return "name"
	case at < 13:
		return "attributes"
	case at < 20, at >= 22 && at < 26:
		return "times"
	case at >= 28:
		return "size"
	}
	return "first cluster"
}
