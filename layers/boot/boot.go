package boot

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
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
	Modules   []string `json:"modules,omitempty"` // kernel modules that the initramfs loads; NAME? if the kernel has it
	Boards    []string `json:"boards,omitempty"`  // names of the boards that must start
	Mounts    []Mount  `json:"mounts,omitempty"`  // of partitions besides boot and root
	Pkinit    string   `json:"pkinit"`            // SHA-256 of the helper program
	Arch      string   `json:"arch,omitempty"`    // of the tree; that of a Raspberry Pi by default
}

// Paths and names of the boot partition.
const (
	Firmware   = "boot/firmware" // the tree's part that becomes the boot partition
	pkinitPath = "usr/lib/pkinit/pkinit"
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
		"etc/fstab": {0o644, tree.Inline(fstab)},
		pkinitPath:  {0o755, pkinit},
	})
	if err == nil {
		err = addState(t, env.Latest)
	}
	if err != nil || b.Arch != "" {
		return t, err
	}
	return t, b.kernel(env, t, below, pkinit)
}

// kernel adds firmware, config.txt and the first boot set.
func (b Layer) kernel(env *layers.Env, t, below *tree.Tree, pkinit tree.Content) error {
	kernel, err := findKernel(below)
	if err != nil {
		return err
	}
	initramfs, missing, err := initramfs{kernel: kernel.version, modules: b.Modules, pkinit: pkinit}.build(below)
	if err != nil {
		return fmt.Errorf("initramfs: %w", err)
	}
	if len(missing) > 0 {
		env.Report(layers.Progress{Warning: true, Message: fmt.Sprintf("kernel %s has no module %s: left out of the initramfs",
			kernel.version, strings.Join(missing, ", "))})
	}
	if kernel.vendor {
		err = b.keepVendor(env, t, below, initramfs)
	} else {
		err = b.writeSet(env, t, below, kernel, initramfs)
	}
	if err != nil {
		return err
	}
	return b.checkBoards(kernel, t, below)
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

func (b Layer) partition(n int) string { return fmt.Sprintf("PARTUUID=%s-%02d", b.Signature, n) }
