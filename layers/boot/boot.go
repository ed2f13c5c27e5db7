package boot

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Layer fills /boot/firmware, which becomes the FAT partition that a Pi's firmware reads: firmware, kernel, device trees,
// config.txt, cmdline.txt and an initramfs with pkinit as /init. It also installs pkinit and writes /etc/fstab. With a
// vendor's base image, firmware, kernel and the other settings of config.txt stay the vendor's. For another architecture
// than a Raspberry Pi's it adds no kernel and no firmware: the tree runs in a container.
type Layer struct {
	Signature string   `json:"signature"` // of the disk: eight hexadecimal digits
	Config    []string `json:"config,omitempty"`
	Cmdline   []string `json:"cmdline,omitempty"`
	Modules   []string `json:"modules,omitempty"` // kernel modules that the initramfs loads
	Mounts    []Mount  `json:"mounts,omitempty"`  // of partitions besides boot and root
	Pkinit    string   `json:"pkinit"`            // SHA-256 of the helper program
	Arch      string   `json:"arch,omitempty"`    // of the tree; that of a Raspberry Pi by default
}

// Paths and names of the boot partition.
const (
	Firmware      = "boot/firmware" // the tree's part that becomes the boot partition
	kernelName    = "vmlinuz"
	initramfsName = "initramfs.img"
	pkinitPath    = "usr/lib/pkinit/pkinit"
)

// Kind returns the name and version of the layer kind "boot".
func (Layer) Kind() layers.Kind { return layers.Kind{Name: "boot", Version: 3, Kept: true} }

// Make returns the files of /boot/firmware, pkinit and /etc/fstab as a tree, given the packages' files below.
func (b Layer) Make(ctx context.Context, env *layers.Env, below *tree.Tree) (*tree.Tree, error) {
	pkinit, err := layers.OpenSource(ctx, filepath.Join(env.Helpers, layers.Helper("pkinit", cmp.Or(b.Arch, layers.Pi))), b.Pkinit)
	if err != nil {
		return nil, err
	}
	t := tree.New()
	fstab, err := b.fstab(t, below, env.Latest)
	if err != nil {
		return nil, err
	}
	err = put(t, env.Latest, map[string]file{
		Firmware + "/cmdline.txt": {0o644, tree.Inline(b.cmdline())},
		"etc/fstab":               {0o644, tree.Inline(fstab)},
		pkinitPath:                {0o755, pkinit},
	})
	if err == nil {
		err = addState(t, env.Latest)
	}
	if err != nil || b.Arch != "" {
		return t, err
	}
	return t, b.kernel(t, below, env.Latest, pkinit)
}

// kernel adds kernel, initramfs, config.txt and firmware.
func (b Layer) kernel(t, below *tree.Tree, now time.Time, pkinit tree.Content) error {
	kernel, err := findKernel(below)
	if err != nil {
		return err
	}
	config, err := b.config(kernel, below)
	if err != nil {
		return err
	}
	initramfs, err := initramfs{kernel: kernel.version, modules: b.Modules, pkinit: pkinit}.build(below)
	if err != nil {
		return fmt.Errorf("initramfs: %w", err)
	}
	err = put(t, now, map[string]file{
		Firmware + "/config.txt":       {0o644, tree.Inline(config)},
		Firmware + "/" + initramfsName: {0o644, tree.Inline(initramfs)},
	})
	switch {
	case err != nil:
		return err
	case kernel.vendor:
		return keepFirmware(t, below)
	}
	return copyFirmware(t, below, kernel.version)
}

// file is a regular file of a tree.
type file struct {
	mode    uint32
	content tree.Content
}

func put(t *tree.Tree, now time.Time, files map[string]file) error {
	for name, f := range files {
		if err := t.Put(name, &tree.Node{Type: tree.Regular, Mode: f.mode, ModTime: now, Content: f.content}); err != nil {
			return err
		}
	}
	return nil
}

// kernelVersion returns the version of the kernel in the tree. It fails unless there is exactly one.
func kernelVersion(t *tree.Tree) (string, error) {
	var versions []string
	for base := range t.Dir("boot").Children() {
		if v, ok := strings.CutPrefix(base, "vmlinuz-"); ok {
			versions = append(versions, v)
		}
	}
	switch len(versions) {
	case 0:
		return "", fmt.Errorf("no /boot/vmlinuz-* in the tree: add a kernel, such as the package linux-image-arm64")
	case 1:
		return versions[0], nil
	}
	return "", fmt.Errorf("%d kernels in the tree (%s): keep one", len(versions), strings.Join(versions, ", "))
}

// copyFirmware copies firmware, kernel and device trees of Debian packages to the boot partition.
func copyFirmware(t, below *tree.Tree, version string) error {
	from := map[string]string{"boot/vmlinuz-" + version: kernelName}
	sources := []struct{ dir, to string }{
		{"usr/lib/raspi-firmware", ""},
		{"usr/lib/linux-image-" + version + "/broadcom", ""},
		{"usr/lib/linux-image-" + version + "/overlays", "overlays"},
	}
	for _, s := range sources {
		sub := below.Sub(s.dir)
		if sub == nil {
			continue
		}
		for name, n := range sub.Walk() {
			if n.Type != tree.Directory {
				from[path.Join(s.dir, name)] = path.Join(s.to, name)
			}
		}
	}
	for source, target := range from {
		_, n := below.Resolve(source)
		if n == nil || n.Type != tree.Regular {
			return fmt.Errorf("boot file /%s is missing or not a regular file", source)
		}
		bare := *n // FAT knows no hard links
		if err := t.Put(path.Join(Firmware, target), &bare); err != nil {
			return err
		}
	}
	if t.Get(Firmware+"/start4.elf") == nil {
		return fmt.Errorf("no start4.elf in /usr/lib/raspi-firmware: add the firmware, such as the package raspi-firmware")
	}
	return nil
}

// keepFirmware removes the vendor's initramfs files from the boot partition, since they are not used.
func keepFirmware(t, below *tree.Tree) error {
	if below.Get(Firmware+"/start4.elf") == nil {
		return fmt.Errorf("no start4.elf in /%s of the base: it has no firmware to start from", Firmware)
	}
	for base, n := range below.Dir(Firmware).Children() {
		if n.Type != tree.Regular || base == initramfsName || !strings.HasPrefix(base, "initramfs") {
			continue
		}
		if err := t.Put(path.Join(Firmware, base), &tree.Node{Type: tree.Char}); err != nil { // a whiteout
			return err
		}
	}
	return nil
}

// config returns config.txt. It names kernel and initramfs, since the defaults of the firmware differ by model.
func (b Layer) config(k kernel, below *tree.Tree) (string, error) {
	lines := []string{"# Written by pkbuild from the recipe of this image.", "arm_64bit=1"}
	if k.vendor {
		vendor, err := vendorConfig(below)
		if err != nil {
			return "", err
		}
		lines = slices.Concat(vendor, lines)
	} else {
		lines = append(lines, "upstream_kernel=1")
	}
	lines = append(lines, "kernel="+k.file, "initramfs "+initramfsName+" followkernel")
	return strings.Join(append(lines, b.Config...), "\n") + "\n", nil
}

func (b Layer) cmdline() string {
	args := slices.Concat([]string{"root=" + b.partition(2), "rootfstype=ext4", "rootwait"}, b.Cmdline)
	return strings.Join(args, " ") + "\n"
}

func (b Layer) partition(n int) string { return fmt.Sprintf("PARTUUID=%s-%02d", b.Signature, n) }
