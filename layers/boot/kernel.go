package boot

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/compress"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// kernel is the kernel of an image, the same for every model.
type kernel struct {
	version string
	source  string // path in the tree
	vendor  bool   // the vendor put it there, with the firmware
}

// vendorKernel is the file of the Raspberry Pi OS kernel that all 64-bit models can start. The default kernel of a Pi 5
// would need other modules, and so a second initramfs.
const vendorKernel = "kernel8.img"

// findKernel returns the vendor's kernel in the boot partition or, without one, the kernel of a Debian package.
func findKernel(t *tree.Tree) (kernel, error) {
	name := path.Join(Firmware, vendorKernel)
	if t.Get(name) == nil {
		return packagedKernel(t)
	}
	image, err := t.ReadFile(name)
	if err != nil {
		return kernel{}, err
	}
	version, err := bannerVersion(image)
	if err != nil {
		return kernel{}, fmt.Errorf("find the version of kernel /%s: %w", name, err)
	}
	return kernel{version: version, source: name, vendor: true}, nil
}

// modulesDir is the directory of the modules of all kernels.
const modulesDir = "usr/lib/modules"

// packagedKernel returns the kernel of a Debian package: /boot/vmlinuz-VERSION, or since Linux 7.2 also the file vmlinuz
// beside the modules. It fails unless there is exactly one.
func packagedKernel(t *tree.Tree) (kernel, error) {
	found := map[string]string{}
	for base := range t.Dir(modulesDir).Children() {
		if name := path.Join(modulesDir, base, "vmlinuz"); t.Get(name) != nil {
			found[base] = name
		}
	}
	for base := range t.Dir("boot").Children() {
		if version, ok := strings.CutPrefix(base, "vmlinuz-"); ok {
			found[version] = path.Join("boot", base)
		}
	}
	versions := slices.Sorted(maps.Keys(found))
	switch len(versions) {
	case 0:
		return kernel{}, fmt.Errorf("no /boot/vmlinuz-* in the tree: add a kernel, such as the package linux-image-arm64")
	case 1:
		return kernel{version: versions[0], source: found[versions[0]]}, nil
	}
	return kernel{}, fmt.Errorf("%d kernels in the tree (%s): keep one", len(versions), strings.Join(versions, ", "))
}

// maxKernel is the maximum size of an uncompressed kernel, in bytes.
const maxKernel = 256 << 20

// banner is the beginning of the first message of a kernel, which is followed by its version.
var banner = regexp.MustCompile(`Linux version ([0-9][^ ]*) \(`)

// bannerVersion returns the version in a kernel image, which may be compressed with gzip.
func bannerVersion(image []byte) (string, error) {
	if compress.Detect(image) == compress.Gzip {
		r, err := gzip.NewReader(bytes.NewReader(image))
		if err != nil {
			return "", err
		}
		r.Multistream(false) // what follows is not part of it
		if image, err = io.ReadAll(io.LimitReader(r, maxKernel)); err != nil {
			return "", err
		}
	}
	m := banner.FindSubmatch(image)
	if m == nil {
		return "", fmt.Errorf("kernel image has no \"Linux version\" banner")
	}
	return string(m[1]), nil
}

// bootSettings are the settings of config.txt that choose kernel and initramfs.
var bootSettings = map[string]bool{
	"kernel": true, "initramfs": true, "ramfsfile": true, "ramfsaddr": true, "auto_initramfs": true, "os_prefix": true,
	"cmdline": true, "arm_64bit": true,
}

// vendorConfig returns the lines of the vendor's config.txt without those of bootSettings.
func vendorConfig(t *tree.Tree) ([]string, error) {
	name := path.Join(Firmware, "config.txt")
	if t.Get(name) == nil {
		return nil, nil
	}
	text, err := t.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\r\n")
		key := line
		if end := strings.IndexAny(line, "= \t"); end >= 0 {
			key = line[:end]
		}
		if !bootSettings[key] {
			out = append(out, line)
		}
	}
	return append(out, "[all]"), nil
}
