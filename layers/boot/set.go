package boot

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/bootset"
	"github.com/PlanktoScope/pkbuild/layers/firmware"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// firstSet is the number of the boot set of an image.
const firstSet = 1

// settingsFile holds the recipe's lines for config.txt if they do not fit into its sector.
const settingsFile = "settings.txt"

// firmwareDir is where the package raspi-firmware has the files of the firmware.
const firmwareDir = "usr/lib/raspi-firmware"

// writeSet writes the firmware, the first boot set, and a config.txt that selects it.
func (b Layer) writeSet(env *layers.Env, t, below *tree.Tree, k kernel, initramfs []byte) error {
	dir := path.Join(Firmware, bootset.DirName(firstSet))
	if err := copyFirmware(t, below, dir); err != nil {
		return err
	}
	if err := copyKernel(t, below, k, dir); err != nil {
		return err
	}
	config, settings, err := b.config()
	if err != nil {
		return err
	}
	files := map[string]file{
		Firmware + "/" + bootset.ConfigFile: {0o644, tree.Inline(config)},
		path.Join(dir, bootset.Initramfs):   {0o644, tree.Inline(initramfs)},
		path.Join(dir, bootset.Cmdline):     {0o644, tree.Inline(b.cmdline(bootset.SetArgument + bootset.DirName(firstSet)))},
		path.Join(dir, "overlays/README"):   {0o644, tree.Inline("With this file the firmware takes overlays from this directory.\n")},
	}
	if settings != "" {
		files[Firmware+"/"+settingsFile] = file{0o644, tree.Inline(settings)}
	}
	if err := put(t, env.Latest, files); err != nil {
		return err
	}
	digests := map[string]bootset.File{}
	for name, n := range t.Sub(dir).Walk() {
		if n.Type != tree.Regular {
			continue
		}
		if digests[name], err = bootset.Digest(n.Content.Reader()); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	manifest := bootset.FormatManifest(k.version, digests)
	return put(t, env.Latest, map[string]file{path.Join(dir, bootset.Manifest): {0o644, tree.Inline(manifest)}})
}

// copyFirmware copies the firmware of a Debian package to the boot partition, and its overlays to a boot set.
func copyFirmware(t, below *tree.Tree, set string) error {
	if err := copyTree(t, below, firmwareDir, Firmware, func(name string) bool { return !strings.HasPrefix(name, "overlays/") }); err != nil {
		return err
	}
	if t.Get(Firmware+"/start4.elf") == nil {
		return fmt.Errorf("no start4.elf in /%s: add the firmware, such as the package raspi-firmware", firmwareDir)
	}
	return copyTree(t, below, firmwareDir+"/overlays", set+"/overlays", nil)
}

// copyKernel copies kernel and device trees of Debian packages to a boot set.
func copyKernel(t, below *tree.Tree, k kernel, set string) error {
	_, n := below.Resolve(k.source)
	if n == nil || n.Type != tree.Regular {
		return fmt.Errorf("boot file /%s is missing or not a regular file", k.source)
	}
	bare := *n // FAT knows no hard links
	if err := t.Put(path.Join(set, bootset.Kernel), &bare); err != nil {
		return err
	}
	// Since Linux 7.2 the second is a symlink to a directory beside the modules.
	trees := "usr/lib/linux-image-" + k.version
	if below.Get(trees) == nil {
		trees = path.Join(modulesDir, k.version, "dtb")
	}
	if err := copyTree(t, below, trees+"/broadcom", set, nil); err != nil {
		return err
	}
	return copyTree(t, below, trees+"/overlays", set+"/overlays", nil)
}

// copyTree copies the files of a directory that want accepts. A directory that is missing has none.
func copyTree(t, below *tree.Tree, from, to string, want func(name string) bool) error {
	dir, n := below.Resolve(from)
	if n == nil || n.Type != tree.Directory {
		return nil
	}
	for name, n := range below.Sub(dir).Walk() {
		if n.Type == tree.Directory || want != nil && !want(name) {
			continue
		}
		source := path.Join(dir, name)
		_, n := below.Resolve(source)
		if n == nil || n.Type != tree.Regular {
			return fmt.Errorf("boot file /%s is missing or not a regular file", source)
		}
		bare := *n
		if err := t.Put(path.Join(to, name), &bare); err != nil {
			return err
		}
	}
	return nil
}

// secondStage are the settings that the firmware's second stage reads, which knows no included files.
var secondStage = []string{"start_x", "start_debug", "start_file", "fixup_file", "gpu_mem", "gpu_mem_256", "gpu_mem_512", "gpu_mem_1024",
	"total_mem", "sdram_freq", "bootcode_delay", "uart_2ndstage"}

// config returns config.txt, of one sector, and the settings that it includes if the recipe's lines do not fit. It names kernel
// and initramfs, since the defaults of the firmware differ by model.
func (b Layer) config() (config []byte, settings string, err error) {
	lines := []string{"# Written by pkbuild.", "arm_64bit=1", "upstream_kernel=1",
		"kernel=" + bootset.Kernel, "initramfs " + bootset.Initramfs + " followkernel"}
	if len(b.Boards) > 0 {
		lines = slices.Insert(lines, 1, firmware.BoardsComment(b.Boards))
	}
	if config, err = bootset.FormatConfig(firstSet, slices.Concat(lines, b.Config)); err == nil {
		return config, "", nil
	}
	for _, line := range b.Config {
		if key, _, _ := strings.Cut(line, "="); slices.Contains(secondStage, key) {
			return nil, "", fmt.Errorf("boot.config needs more than a sector with the rest of config.txt, and %s does not work in an included file", key)
		}
	}
	config, err = bootset.FormatConfig(firstSet, append(lines, "include "+settingsFile))
	return config, strings.Join(b.Config, "\n") + "\n", err
}

// keepVendor writes the initramfs beside the vendor's kernel, and replaces config.txt and cmdline.txt.
func (b Layer) keepVendor(env *layers.Env, t, below *tree.Tree, initramfs []byte) error {
	config, err := vendorConfig(below)
	if err != nil {
		return err
	}
	config = slices.Concat(config, []string{"# Written by pkbuild from the recipe of this image."})
	if len(b.Boards) > 0 {
		config = append(config, firmware.BoardsComment(b.Boards))
	}
	config = slices.Concat(config, []string{"arm_64bit=1", "kernel=" + vendorKernel, "initramfs " + bootset.Initramfs + " followkernel"}, b.Config)
	err = put(t, env.Latest, map[string]file{
		Firmware + "/config.txt":           {0o644, tree.Inline(strings.Join(config, "\n") + "\n")},
		Firmware + "/cmdline.txt":          {0o644, tree.Inline(b.cmdline())},
		Firmware + "/" + bootset.Initramfs: {0o644, tree.Inline(initramfs)},
	})
	if err != nil {
		return err
	}
	return keepFirmware(t, below)
}

// keepFirmware removes the vendor's initramfs files from the boot partition, since they are not used.
func keepFirmware(t, below *tree.Tree) error {
	if below.Get(Firmware+"/start4.elf") == nil {
		return fmt.Errorf("no start4.elf in /%s of the base: it has no firmware to start from", Firmware)
	}
	for base, n := range below.Dir(Firmware).Children() {
		if n.Type != tree.Regular || base == bootset.Initramfs || !strings.HasPrefix(base, "initramfs") {
			continue
		}
		if err := t.Put(path.Join(Firmware, base), &tree.Node{Type: tree.Char}); err != nil { // a whiteout
			return err
		}
	}
	return nil
}

// cmdline returns the kernel's command line.
func (b Layer) cmdline(more ...string) string {
	args := slices.Concat([]string{"root=" + b.partition(2), "rootfstype=ext4", "rootwait"}, b.Cmdline, more)
	return strings.Join(args, " ") + "\n"
}
