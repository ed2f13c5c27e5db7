package qemu

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Firmware is what a board's firmware would load from a boot partition: kernel, initramfs, device tree and command
// line, or the reason why it does not start.
type Firmware struct {
	Board      string   `json:"board"`
	Prefix     string   `json:"prefix,omitempty"` // os_prefix, unless kernel or device tree are missing there
	Kernel     string   `json:"kernel"`
	Bits       int      `json:"bits"`                  // 64 or 32: mode in which the kernel starts
	Initramfs  []string `json:"initramfs"`             // files, loaded as their concatenation
	DeviceTree string   `json:"device_tree,omitempty"` // "" if none is loaded
	Cmdline    string   `json:"cmdline"`               // line of cmdline.txt
	Warnings   []string `json:"warnings,omitempty"`    // probable mistakes
	Problem    string   `json:"problem,omitempty"`     // why the board does not start
}

// Choose reads config.txt and cmdline.txt of a boot partition as the firmware of a board would, and returns the files that
// the firmware loads. The error is the reason why the board does not start.
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

// bits returns the mode in which the kernel starts: that of arm_64bit, unless the firmware knows the kernel's name.
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

// prefix returns os_prefix, or "" if kernel or device tree are missing there.
func (c *config) prefix(bits int) string {
	prefix, set := c.values["os_prefix"]
	if !set && c.flag("upstream_kernel") {
		prefix = "upstream/"
	}
	if prefix == "" {
		return ""
	}
	quiet := *c // drops the warnings of this attempt
	_, err := quiet.kernel(prefix, bits)
	if err == nil && quiet.deviceTree(prefix) != "" {
		return prefix
	}
	if set {
		c.warn("os_prefix=%s is ignored: kernel or device tree is missing there", prefix)
	}
	return ""
}

func (c *config) kernel(prefix string, bits int) (string, error) {
	if name := c.values["kernel"]; name != "" {
		if file := join(prefix, name); c.exists(file) {
			return file, nil
		}
		return "", fmt.Errorf("config.txt names the kernel %s, which is not in the boot partition", join(prefix, name))
	}
	names := c.board.Kernels
	if bits == 32 {
		names = []string{c.board.Kernel32}
	}
	for _, name := range names {
		if file := join(prefix, name); c.exists(file) {
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
		if file := join(prefix, name); name != "" && c.exists(file) {
			return file
		}
	}
	c.warn("no device tree in the boot partition: %s", strings.Join(names, " or "))
	return ""
}

// initramfs sets the initramfs: the files of the property, which must exist, or that of auto_initramfs, if it exists.
func (c *config) initramfs(f *Firmware) error {
	if list := c.values["ramfsfile"]; list != "" {
		for name := range strings.SplitSeq(list, ",") {
			file := join(f.Prefix, name)
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

// autoInitramfs derives the file's name from the kernel's. With kernel=kernel8.img, a Pi 5 derives it from its default
// kernel (raspberrypi/linux#6802).
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

// cmdline sets the kernel's command line: the first line of cmdline.txt.
func (c *config) cmdline(f *Firmware) error {
	name := c.values["cmdline"]
	if name == "" {
		name = "cmdline.txt"
	}
	file := join(f.Prefix, name)
	data, err := fs.ReadFile(c.files, file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is not in the boot partition: the kernel has no root= argument", file)
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

// join returns the path of a file that config.txt names: behind the prefix, unless the name begins with a slash.
func join(prefix, name string) string {
	if abs, ok := strings.CutPrefix(name, "/"); ok {
		return abs
	}
	return prefix + name
}
