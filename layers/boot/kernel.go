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

// kernel is the one kernel that an image starts, on every model.
type kernel struct {
	version string
	file    string // in the boot partition
	vendor  bool   // the vendor put it there, with the firmware
}

// vendorKernel is the kernel of Raspberry Pi OS that all 64-bit models start, a Pi 5 among them. The one that a Pi 5
// would choose by itself has modules of its own, and so would need an initramfs of its own.
const vendorKernel = "kernel8.img"

// findKernel finds the vendor's kernel in the boot partition, or the one of a Debian package.
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
		return kernel{}, fmt.Errorf("version of /%s: %w", name, err)
	}
	return kernel{version: version, file: vendorKernel, vendor: true}, nil
}

// maxKernel is the size of an unpacked kernel at most, in bytes.
const maxKernel = 256 << 20

// banner is what a kernel says first when it starts.
var banner = regexp.MustCompile(`Linux version ([0-9][^ ]*) \(`)

// bannerVersion looks for the version in a kernel, which may be compressed with gzip.
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
		return "", fmt.Errorf("it does not say which it is, as Linux does")
	}
	return string(m[1]), nil
}

// choosing are the settings of config.txt that decide what is started.
var choosing = map[string]bool{
	"kernel": true, "initramfs": true, "ramfsfile": true, "ramfsaddr": true, "auto_initramfs": true, "os_prefix": true,
	"cmdline": true, "arm_64bit": true,
}

// vendorConfig is the vendor's config.txt without what decides what is started.
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
		if !choosing[key] {
			out = append(out, line)
		}
	}
	return append(out, "[all]"), nil
}
