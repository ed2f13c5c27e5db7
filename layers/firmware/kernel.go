package firmware

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
)

// kernelKind checks that the kernel is of the kind that starts in the chosen mode. A file that is no kernel that it knows,
// such as an empty one, is accepted.
func (c *config) kernelKind(f *Choice) error {
	head, err := c.head(f.Kernel)
	if err != nil {
		return fmt.Errorf("read kernel %s: %w", f.Kernel, err)
	}
	known := slices.Concat(c.board.Family.kernels(32), c.board.Family.kernels(64))
	switch kind := kindOf(head); {
	case kind == zboot:
		return fmt.Errorf("kernel %s is an EFI zboot image, which no firmware decompresses", f.Kernel)
	case kind == arm64 && f.Bits == 32:
		return fmt.Errorf("kernel %s is a 64-bit one and would start in 32-bit mode; set arm_64bit=1 in %s", f.Kernel, c.name)
	case kind == arm32 && f.Bits == 64:
		return fmt.Errorf("kernel %s is a 32-bit one and would start in 64-bit mode; set arm_64bit=0 in %s", f.Kernel, c.name)
	case kind == unknown && len(head) > 0:
		return fmt.Errorf("kernel %s is neither an arm64 Image nor a gzip of one, nor a zImage", f.Kernel)
	case kind == unknown && f.Bits == 32 && c.values["arm_64bit"] == "" && !slices.Contains(known, path.Base(f.Kernel)):
		c.warn("kernel %s starts in 32-bit mode, which a 64-bit kernel cannot: %s does not set arm_64bit", f.Kernel, c.name)
	}
	return nil
}

type kernelKind string

const (
	unknown kernelKind = ""
	arm64   kernelKind = "arm64 Image"
	arm32   kernelKind = "zImage"
	zboot   kernelKind = "EFI zboot"
)

// headSize is the number of bytes at the beginning of a kernel that tell its kind.
const headSize = 64

// kindOf looks for the magic numbers of Documentation/arch/arm64/booting.rst, of arch/arm/boot/compressed/head.S and of
// drivers/firmware/efi/libstub/zboot-header.S of Linux.
func kindOf(head []byte) kernelKind {
	at := func(offset int, magic string) bool {
		return len(head) >= offset+len(magic) && string(head[offset:offset+len(magic)]) == magic
	}
	switch {
	case at(0, "MZ") && at(4, "zimg"):
		return zboot
	case at(56, "ARMd"):
		return arm64
	case at(36, "\x18\x28\x6f\x01"):
		return arm32
	}
	return unknown
}

// head returns the first bytes of a kernel, decompressed if it is compressed with gzip; fewer if the file is shorter.
func (c *config) head(name string) ([]byte, error) {
	f, err := c.files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 4096)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	head = head[:n]
	if !bytes.HasPrefix(head, []byte{0x1f, 0x8b}) {
		return head[:min(n, headSize)], nil
	}
	z, err := gzip.NewReader(io.MultiReader(bytes.NewReader(head), f))
	if err != nil {
		return nil, err
	}
	image := make([]byte, headSize)
	n, err = io.ReadFull(z, image)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return image[:n], nil
	}
	return image[:n], err
}
