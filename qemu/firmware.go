package qemu

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Firmware is what the firmware of a board makes of a boot partition.
type Firmware struct {
	Board      string   `json:"board"`
	Prefix     string   `json:"prefix,omitempty"` // os_prefix, unless it leads nowhere
	Kernel     string   `json:"kernel"`
	Bits       int      `json:"bits"`                  // of the mode in which the kernel starts
	Initramfs  []string `json:"initramfs"`             // loaded one after the other, as one
	DeviceTree string   `json:"device_tree,omitempty"` // "" if there is none to load
	Cmdline    string   `json:"cmdline"`               // as in the file
	Warnings   []string `json:"warnings,omitempty"`    // what surely was meant otherwise
	Problem    string   `json:"problem,omitempty"`     // what keeps the board from starting
}

// Choose reads config.txt and cmdline.txt of a boot partition as the firmware of a board would, and says which files
// it loads. The error is what keeps the board from starting.
func Choose(files fs.FS, b Board) (Firmware, error) {
	c, err := readConfig(files, "config.txt", b)
	if err != nil {
		return Firmware{}, err
	}
	f := Firmware{Board: b.Name, Bits: c.bits(), Initramfs: []string{}}
	f.Prefix = c.prefix(f.Bits)
	if f.Kernel, err = c.kernel(f.Prefix, f.Bits); err != nil {
		return f, fmt.Errorf("%s: %w", b.Name, err)
	}
	f.DeviceTree = c.deviceTree(f.Prefix)
	if err := errors.Join(c.initramfs(&f), c.cmdline(&f)); err != nil {
		return f, fmt.Errorf("%s: %w", b.Name, err)
	}
	for _, name := range b.Starts {
		if !c.exists(name) {
			c.warn("%s is not in the boot partition", name)
		}
	}
	f.Warnings = c.warnings
	return f, nil
}

// bits is the mode in which the kernel starts: as arm_64bit says, unless the kernel has a name that the firmware knows.
func (c *config) bits() int {
	explicit := path.Base(c.values["kernel"])
	value, set := c.values["arm_64bit"]
	switch {
	case c.board.Only64, slices.Contains([]string{"kernel8.img", "kernel_2712.img"}, explicit):
		return 64
	case slices.Contains([]string{"kernel.img", "kernel7.img", "kernel7l.img"}, explicit):
		return 32
	case set && value != "0", !set && c.board.Bits64:
		return 64
	}
	return 32
}

// prefix is os_prefix, if kernel and device tree are found with it.
func (c *config) prefix(bits int) string {
	prefix, set := c.values["os_prefix"]
	if !set && c.flag("upstream_kernel") {
		prefix = "upstream/"
	}
	if prefix == "" {
		return ""
	}
	quiet := *c // what this try warns of is not what the firmware ends with
	_, err := quiet.kernel(prefix, bits)
	if err == nil && quiet.deviceTree(prefix) != "" {
		return prefix
	}
	if set {
		c.warn("os_prefix=%s is ignored: kernel and device tree are not both found with it", prefix)
	}
	return ""
}

func (c *config) kernel(prefix string, bits int) (string, error) {
	if name := c.values["kernel"]; name != "" {
		if file := place(prefix, name); c.exists(file) {
			return file, nil
		}
		return "", fmt.Errorf("config.txt names the kernel %s, which is not in the boot partition", place(prefix, name))
	}
	names := c.board.Kernels
	if bits == 32 {
		names = []string{c.board.Kernel32}
	}
	for _, name := range names {
		if file := place(prefix, name); c.exists(file) {
			return file, nil
		}
	}
	return "", fmt.Errorf("config.txt names no kernel, and %s is not in the boot partition", strings.Join(names, " or "))
}

func (c *config) deviceTree(prefix string) string {
	names := []string{c.board.Tree}
	if c.flag("upstream_kernel") {
		names = []string{c.board.Upstream, c.board.Tree}
	}
	if name, set := c.values["device_tree"]; set {
		names = []string{name}
	}
	for _, name := range names {
		if file := place(prefix, name); name != "" && c.exists(file) {
			return file
		}
	}
	c.warn("the device tree is not in the boot partition: %s", strings.Join(names, " or "))
	return ""
}

// initramfs: what is named is loaded, and what is found by the kernel's name is loaded if it is there.
func (c *config) initramfs(f *Firmware) error {
	if list := c.values["ramfsfile"]; list != "" {
		for name := range strings.SplitSeq(list, ",") {
			file := place(f.Prefix, name)
			if !c.exists(file) {
				return fmt.Errorf("config.txt names the initramfs %s, which is not in the boot partition", file)
			}
			f.Initramfs = append(f.Initramfs, file)
		}
		return nil
	}
	if name := c.autoInitramfs(f); c.flag("auto_initramfs") && c.exists(name) {
		f.Initramfs = []string{name}
	}
	return nil
}

// autoInitramfs goes by the name of the kernel. A Pi 5 that is told kernel=kernel8.img goes by the name of its default
// kernel all the same (raspberrypi/linux#6802).
func (c *config) autoInitramfs(f *Firmware) string {
	dir, kernel := path.Split(f.Kernel)
	if explicit := c.values["kernel"] != ""; explicit && f.Bits == 64 && kernel == "kernel8.img" {
		kernel = c.board.Kernels[0]
	}
	if !strings.HasPrefix(kernel, "kernel") {
		return ""
	}
	return dir + strings.TrimSuffix(strings.Replace(kernel, "kernel", "initramfs", 1), ".img")
}

// cmdline: the kernel gets one line.
func (c *config) cmdline(f *Firmware) error {
	name := c.values["cmdline"]
	if name == "" {
		name = "cmdline.txt"
	}
	file := place(f.Prefix, name)
	data, err := fs.ReadFile(c.files, file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is not in the boot partition: the kernel would not know its root", file)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	line, rest, _ := strings.Cut(string(data), "\n")
	if rest = strings.TrimSpace(rest); rest != "" {
		c.warn("%s: only the first line reaches the kernel, not %q", file, rest)
	}
	f.Cmdline = strings.TrimSpace(line)
	return nil
}

func (c *config) flag(key string) bool {
	value, set := c.values[key]
	return set && value != "0"
}

func (c *config) exists(name string) bool {
	info, err := fs.Stat(c.files, name)
	return err == nil && !info.IsDir()
}

// place is the file that a name in config.txt stands for: with the prefix, unless it begins with a slash.
func place(prefix, name string) string {
	if abs, ok := strings.CutPrefix(name, "/"); ok {
		return abs
	}
	return prefix + name
}
