package firmware

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Choice is what a board's firmware loads from a boot partition (kernel, initramfs, device tree, command line), or the
// reason why the board does not start.
type Choice struct {
	Board       string    `json:"board"`
	Outcome     Outcome   `json:"outcome"`
	Partition   int       `json:"partition,omitempty"` // number of the partition on the card; 0 if it was not chosen from a card
	Prefix      string    `json:"prefix,omitempty"`    // os_prefix, unless kernel or device tree are missing there
	Kernel      string    `json:"kernel"`
	Bits        int       `json:"bits"`                  // 64 or 32: mode in which the kernel starts
	Initramfs   []string  `json:"initramfs"`             // files, loaded as their concatenation
	DeviceTree  string    `json:"device_tree,omitempty"` // "" if none is loaded
	Overlays    []Overlay `json:"overlays,omitempty"`
	Parameters  []string  `json:"parameters,omitempty"`   // of the base device tree
	CmdlineFile string    `json:"cmdline_file,omitempty"` // "" if the firmware's own command line is used
	Cmdline     string    `json:"cmdline"`
	Warnings    []string  `json:"warnings,omitempty"` // probable mistakes
	Problem     string    `json:"problem,omitempty"`  // why the board does not start
}

// Outcome says how far the firmware of a board gets: whether it starts a kernel, and if not, at which step it stops.
type Outcome string

// The outcomes.
const (
	Starts      Outcome = "starts"
	NoKernel    Outcome = "kernel not found"          // or an initramfs, or a kernel of the wrong kind
	NotBootable Outcome = "partition is not bootable" // the bootloader goes on to the next boot device
	NoFirmware  Outcome = "board does not start"      // its ROM finds no firmware
)

// builtinCmdline is the command line of the firmware itself.
const builtinCmdline = "root=/dev/mmcblk0p2 rootfstype=ext4 rootwait"

// Err returns the reason why the board does not start, as an error that names the board; nil if it starts.
func (c Choice) Err() error {
	if c.Problem == "" {
		return nil
	}
	return fmt.Errorf("%s: %s", c.Board, c.Problem)
}

// failure is an error with the outcome to which it leads.
type failure struct {
	outcome Outcome
	error
}

func fail(o Outcome, format string, args ...any) error {
	return failure{o, fmt.Errorf(format, args...)}
}

// Choose reads the files of a boot partition as the firmware of a board would, and returns what it loads. With the tryboot
// flag it reads tryboot.txt in place of config.txt. Whether case matters in file names is up to files; in those of fat.FS it
// does not.
func Choose(files fs.FS, b Board, s State) Choice {
	name := "config.txt"
	if s.Tryboot {
		name = "tryboot.txt"
	}
	return choose(files, name, b, s)
}

func choose(files fs.FS, name string, b Board, s State) Choice {
	f := Choice{Board: b.Name, Outcome: Starts, Partition: s.booted, Initramfs: []string{}}
	c, err := readConfig(files, name, b, s)
	if err == nil {
		err = c.choose(&f)
	}
	f.Warnings = c.warnings
	if err == nil {
		return f
	}
	f.Problem, f.Outcome = err.Error(), NotBootable
	if why, ok := errors.AsType[failure](err); ok {
		f.Outcome = why.outcome
	}
	return f
}

// choose makes the choices in the order of the firmware, up to the first that fails.
func (c *config) choose(f *Choice) error {
	if err := c.stages(); err != nil {
		return err
	}
	f.Bits = c.bits()
	f.Prefix = c.prefix(f.Bits)
	f.DeviceTree = c.deviceTree(f.Prefix)
	if err := c.osCheck(f.DeviceTree); err != nil {
		return err
	}
	kernel, err := c.kernel(f.Prefix, f.Bits)
	if err != nil {
		return err
	}
	f.Kernel = kernel
	if err := errors.Join(c.kernelKind(f), c.initramfs(f), c.cmdline(f)); err != nil {
		return fail(NoKernel, "%w", err)
	}
	c.chooseOverlays(f)
	return nil
}

// stages checks the files of the firmware itself. The second stage reads config.txt without what it includes.
func (c *config) stages() error {
	suffix, outcome := "", NoFirmware
	switch c.board.Family {
	case Pi5:
		if c.missing {
			return fail(NotBootable, "%s is missing, which a Pi 5 requires", c.name)
		}
		return nil
	case Pi3:
		if !c.exists("bootcode.bin") {
			return fail(NoFirmware, "bootcode.bin is missing")
		}
	case Pi4:
		suffix, outcome = "4", NotBootable
	}
	on := func(key string) bool { v, set := c.second[key]; return set && v != "0" }
	switch {
	case on("start_debug"):
		suffix += "db"
	case on("start_x"):
		suffix += "x"
	case c.second["gpu_mem"] == "16":
		suffix += map[Family]string{Pi3: "_cd", Pi4: "cd"}[c.board.Family]
	}
	start, fixup := "start"+suffix+".elf", "fixup"+suffix+".dat"
	if name, set := c.second["start_file"]; set {
		start = name
	}
	if name, set := c.second["fixup_file"]; set {
		fixup = name
	}
	if !c.exists(start) {
		return fail(outcome, "%s is missing", start)
	}
	if !c.exists(fixup) {
		c.warn("%s is missing: the board may not see all of its memory", fixup)
	}
	return nil
}

// osCheck refuses partitions without a device tree for a board of the Pi 5 family, as its bootloader does.
func (c *config) osCheck(tree string) error {
	check, set := c.values["os_check"]
	if c.board.Family != Pi5 || tree != "" || set && check == "0" {
		return nil
	}
	if named, set := c.values["device_tree"]; set && named == "" {
		return nil
	}
	return fail(NotBootable, "no compatible device tree: %s is missing (os_check)", c.board.Trees[0])
}

// bits returns the mode in which the kernel starts: that of arm_64bit, unless the firmware knows the kernel's name.
func (c *config) bits() int {
	explicit := path.Base(c.values["kernel"])
	value, set := c.values["arm_64bit"]
	switch {
	case c.board.Family == Pi5, slices.Contains([]string{"kernel8.img", "kernel_2712.img"}, explicit):
		return 64
	case slices.Contains([]string{"kernel.img", "kernel7.img", "kernel7l.img"}, explicit):
		return 32
	case set && value != "0", !set && c.board.Family == Pi4:
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
	lacks := "kernel"
	if err == nil {
		if quiet.deviceTree(prefix) != "" {
			return prefix
		}
		lacks = "device tree (" + strings.Join(c.treeNames(), " or ") + ")"
	}
	if set {
		c.warn("os_prefix=%s is ignored: no %s is there", prefix, lacks)
	}
	return ""
}

func (c *config) kernel(prefix string, bits int) (string, error) {
	if name := c.values["kernel"]; name != "" {
		if file := join(prefix, name); c.exists(file) {
			return file, nil
		}
		return "", fail(NoKernel, "%s names the kernel %s, which is not in the boot partition", c.name, join(prefix, name))
	}
	names := c.board.Family.kernels(bits)
	for _, name := range names {
		if file := join(prefix, name); c.exists(file) {
			return file, nil
		}
	}
	return "", fail(NoKernel, "%s names no kernel, and %s is not in the boot partition", c.name, strings.Join(names, " or "))
}

// initramfs sets the initramfs: the files of the property, which must exist, or that of auto_initramfs, if it exists.
func (c *config) initramfs(f *Choice) error {
	if list := c.values["ramfsfile"]; list != "" {
		for name := range strings.SplitSeq(list, ",") {
			file := join(f.Prefix, name)
			if !c.exists(file) {
				return fmt.Errorf("%s names the initramfs %s, which is not in the boot partition", c.name, file)
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

// autoInitramfs derives the file's name from the kernel's. With kernel=kernel8.img, bootloaders of a Pi 5 before June 2025
// derived it from their default kernel (raspberrypi/linux#6802).
func (c *config) autoInitramfs(f *Choice) string {
	dir, kernel := path.Split(f.Kernel)
	if c.board.Family == Pi5 && c.flag("auto_initramfs") && c.values["kernel"] != "" && kernel == "kernel8.img" {
		c.warn("auto_initramfs with kernel=kernel8.img loads initramfs_2712 with bootloaders before June 2025: name both")
		if !c.state.since("2025-06-01") {
			kernel = "kernel_2712.img"
		}
	}
	if !strings.HasPrefix(kernel, "kernel") {
		return ""
	}
	return dir + strings.TrimSuffix(strings.Replace(kernel, "kernel", "initramfs", 1), ".img")
}

// cmdline sets the kernel's command line: the first line of cmdline.txt behind the prefix, else of that in the root
// directory, else the firmware's own.
func (c *config) cmdline(f *Choice) error {
	name := c.values["cmdline"]
	if name == "" {
		name = "cmdline.txt"
	}
	file := join(f.Prefix, name)
	if root := join("", name); !c.exists(file) && c.exists(root) {
		c.warn("%s is missing: the command line is that of %s", file, root)
		file = root
	}
	data, err := fs.ReadFile(c.files, file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %s: %w", file, err)
	}
	line, rest, _ := strings.Cut(string(data), "\n")
	f.Cmdline, f.CmdlineFile = strings.TrimSpace(line), file
	if rest = strings.TrimSpace(rest); rest != "" {
		c.warn("%s: only the first line reaches the kernel, not %q", file, rest)
	}
	if f.Cmdline == "" {
		state := "empty"
		if err != nil {
			state = "missing"
		}
		c.warn("%s is %s: the firmware's own command line is used, %s", file, state, builtinCmdline)
		f.Cmdline, f.CmdlineFile = builtinCmdline, ""
	}
	return nil
}
