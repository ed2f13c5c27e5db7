package boot

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/compress"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// kernel is the kernel of an image, the same for every model.
type kernel struct {
	version string
	file    string // in the boot partition
	vendor  bool   // the vendor put it there, with the firmware
}

// vendorKernel is the file of the Raspberry Pi OS kernel that all 64-bit models can start. The default kernel of a Pi 5
// would need other modules, and so a second initramfs.
const vendorKernel = "kernel8.img"

// findKernel returns the vendor's kernel in the boot partition or, without one, the kernel of a Debian package.
func findKernel(t *tree.Tree) (kernel, error) {
	name := path.Join(Firmware, vendorKernel)
	if t.Get(name) == nil {
		version, err := kernelVersion(t)
		return kernel{version: version, file: kernelName}, err
	}
	image, err := t.ReadFile(name)
	if err != nil {
		return kernel{}, err
	}
	version, err := bannerVersion(image)
	if err != nil {
		return kernel{}, fmt.Errorf("find the version of kernel /%s: %w", name, err)
	}
	return kernel{version: version, file: vendorKernel, vendor: true}, nil
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
