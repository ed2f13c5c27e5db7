package initramfs

import (
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
}

// Find returns the path of the block device that the kernel argument root= names, such as PARTUUID=…. If there is none,
// the error lists the existing block devices.
func (d Devices) Find(spec string) (string, error) {
	if spec == "" {
		return "", errors.New("the kernel's command line has no root=")
	}
	entries, err := os.ReadDir(d.Sys)
	if err != nil {
		return "", err
	}
	var names []string
	for _, e := range entries {
		if d.matches(e.Name(), spec) {
			return filepath.Join(d.Dev, e.Name()), nil
		}
		names = append(names, e.Name())
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
		is = d.partUUID(name)
	case "UUID", "LABEL":
		uuid, label := d.ext4(name)
		is = map[string]string{"UUID": uuid, "LABEL": label}[tag]
	}
	return is != "" && strings.EqualFold(is, value)
}

// partUUID reads the partition table of the disk on which a partition lies: its directory in sysfs is in the disk's.
func (d Devices) partUUID(name string) string {
	number, err := os.ReadFile(filepath.Join(d.Sys, name, "partition"))
	if err != nil {
		return "" // a whole disk
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(number)))
	if err != nil {
		return ""
	}
	dir, err := filepath.EvalSymlinks(filepath.Join(d.Sys, name))
	if err != nil {
		return ""
	}
	disk, err := os.Open(filepath.Join(d.Dev, filepath.Base(filepath.Dir(dir))))
	if err != nil {
		return ""
	}
	defer disk.Close()
	return PartUUID(disk, n)
}

func (d Devices) ext4(name string) (uuid, label string) {
	f, err := os.Open(filepath.Join(d.Dev, name))
	if err != nil {
		return "", ""
	}
	defer f.Close()
	return Ext4(f)
}
