package initramfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Devices finds block devices in /sys/class/block and their nodes in /dev.
type Devices struct {
	Sys string // its directory of block devices, /sys/class/block
	Dev string // its directory of device nodes, /dev
	// Prefer begins the names of devices of the kind that the firmware started from, such as mmcblk; "" if that is unknown.
	Prefer string
}

// Find returns the path of the block device that the value of the kernel argument root= names, such as PARTUUID=…. Of
// several it takes the first by name, but prefers those whose names begin with Prefer. It does not wait: if no device
// matches at present, the error lists the existing block devices.
func (d Devices) Find(spec string) (string, error) {
	if spec == "" {
		return "", errors.New("the kernel's command line has no root=")
	}
	entries, err := os.ReadDir(d.Sys)
	if err != nil {
		return "", err
	}
	var names, found []string
	for _, e := range entries {
		if d.matches(e.Name(), spec) {
			found = append(found, e.Name())
		}
		names = append(names, e.Name())
	}
	for _, name := range found {
		if strings.HasPrefix(name, d.Prefer) {
			return filepath.Join(d.Dev, name), nil
		}
	}
	if len(found) > 0 {
		return filepath.Join(d.Dev, found[0]), nil
	}
	if len(names) == 0 {
		return "", fmt.Errorf("no block device matches root=%s: the machine has none", spec)
	}
	return "", fmt.Errorf("no block device matches root=%s: the machine has %s", spec, strings.Join(names, ", "))
}

func (d Devices) matches(name, spec string) bool {
	if _, err := os.Stat(filepath.Join(d.Dev, name)); err != nil {
		return false // its node follows in a moment
	}
	tag, value, tagged := strings.Cut(spec, "=")
	if !tagged {
		return filepath.Join(d.Dev, name) == filepath.Clean(spec)
	}
	var is string
	switch tag {
	case "PARTUUID":
		var previous string
		is, previous = d.partUUID(name)
		if previous != "" && strings.EqualFold(previous, value) {
			return true
		}
	case "UUID", "LABEL":
		uuid, label := d.ext4(name)
		is = map[string]string{"UUID": uuid, "LABEL": label}[tag]
	}
	return is != "" && strings.EqualFold(is, value)
}

// partUUID reads the partition table of the disk on which a partition lies: its directory in sysfs is in the disk's.
func (d Devices) partUUID(name string) (uuid, previous string) {
	number, err := os.ReadFile(filepath.Join(d.Sys, name, "partition"))
	if err != nil {
		return "", "" // a whole disk
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(number)))
	if err != nil {
		return "", ""
	}
	dir, err := filepath.EvalSymlinks(filepath.Join(d.Sys, name))
	if err != nil {
		return "", ""
	}
	disk, err := os.Open(filepath.Join(d.Dev, filepath.Base(filepath.Dir(dir))))
	if err != nil {
		return "", ""
	}
	defer disk.Close()
	return PartUUID(disk, n), previousPartUUID(disk, n)
}

func (d Devices) ext4(name string) (uuid, label string) {
	f, err := os.Open(filepath.Join(d.Dev, name))
	if err != nil {
		return "", ""
	}
	defer f.Close()
	return Ext4(f)
}

// Preferred reports whether the name of a device begins with Prefer. It returns true for each device if Prefer is "".
func (d Devices) Preferred(device string) bool {
	return strings.HasPrefix(filepath.Base(device), d.Prefer)
}

// bootModes are the kinds of devices that the firmware of a Raspberry Pi starts from, by its BOOT_ORDER digit: SD card, USB
// mass storage of two controllers, and NVMe.
var bootModes = map[uint32]string{1: "mmcblk", 4: "sd", 5: "sd", 6: "nvme"}

// bootMode is the file with the kind of the device that the firmware started from.
const bootMode = "/proc/device-tree/chosen/bootloader/boot-mode"

// firmwareDevice returns the beginning of the names of devices of the kind that the firmware started from; "" if the file
// does not exist, as on older models, or has another kind, such as the network.
func firmwareDevice(file string) string {
	data, err := os.ReadFile(file)
	if err != nil || len(data) != 4 {
		return ""
	}
	return bootModes[binary.BigEndian.Uint32(data)]
}
