package disk

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/compress"
)

// CompressionOf returns the compression that the ending of an image's name asks for: that of .gz, .xz or .zst, else None.
// It fails for an ending that promises something else than such an image, such as .tar, .qcow2 or .bz2.
func CompressionOf(name string) (Compression, error) {
	ending := strings.ToLower(filepath.Ext(name))
	stem := name[:len(name)-len(ending)]
	refuse := func(format string, args ...any) (Compression, error) {
		return None, fmt.Errorf("output %s: %w", name, fmt.Errorf(format, args...))
	}
	switch ending {
	case ".gz", ".xz", ".zst":
		if strings.EqualFold(filepath.Ext(stem), ".tar") {
			return refuse("a disk image is not a tar: choose .img%s", ending)
		}
		return compressionBySuffix(ending), nil
	case ".tar":
		return refuse("a disk image is not a tar: choose .img")
	case ".tgz", ".tzst", ".txz":
		return refuse("a disk image is not a tar: choose .img.%s", ending[2:])
	case ".bmap":
		return refuse("the block map is written beside the image: choose %s", stem)
	case ".sha256":
		return refuse("the checksum is written beside the image: choose %s", stem)
	case ".qcow2", ".vdi", ".vhdx", ".vmdk":
		return refuse("pkbuild writes raw images: choose %s.img, and then run: qemu-img convert -O %s %s.img %s", stem, ending[1:], stem, name)
	}
	if f := compress.FormatOf(name); f != compress.None {
		return refuse("compression with %s is not supported: choose .gz, .xz, .zst or no compression", f)
	}
	return None, nil
}

func compressionBySuffix(suffix string) Compression {
	i := slices.IndexFunc(Compressions, func(c Compression) bool { return c.Suffix() == suffix })
	return Compressions[i]
}

// BlockMapName returns the path of an image's block map, where bmaptool looks for it: .bmap is appended to the image's
// path without the ending of its compression.
func BlockMapName(image string) string {
	if c, err := CompressionOf(image); err == nil {
		image = image[:len(image)-len(c.Suffix())]
	}
	return image + ".bmap"
}
