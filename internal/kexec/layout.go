package kexec

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Sizes and alignments in bytes.
const (
	pageSize    = 64 << 10 // the largest of arm64
	kernelAlign = 2 << 20
)

// memory is a range of physical addresses; the end does not belong to it.
type memory struct{ start, end uint64 }

// freeMemory returns the ranges of RAM that /proc/iomem does not list as reserved, in ascending order. Memory of the running
// kernel is free: the new one takes its place.
func freeMemory(iomem io.Reader) ([]memory, error) {
	var free []memory
	lines := bufio.NewScanner(iomem)
	for lines.Scan() {
		line := lines.Text()
		from, name, ok := strings.Cut(strings.TrimSpace(line), " : ")
		first, last, dashed := strings.Cut(from, "-")
		start, err := strconv.ParseUint(first, 16, 64)
		end, endErr := strconv.ParseUint(last, 16, 64)
		if !ok || !dashed || err != nil || endErr != nil {
			return nil, fmt.Errorf("read /proc/iomem: unknown line %q", line)
		}
		m := memory{start, end + 1}
		switch {
		case name == "System RAM" && !strings.HasPrefix(line, " "):
			free = append(free, m)
		case name == "reserved":
			free = without(free, m)
		}
	}
	if len(free) == 0 || free[len(free)-1].end <= 1 {
		return nil, errors.Join(errors.New("read /proc/iomem: no RAM is listed"), lines.Err())
	}
	return free, lines.Err()
}

// without returns ranges without the addresses of another one.
func without(ranges []memory, hole memory) []memory {
	var out []memory
	for _, m := range ranges {
		if before := (memory{m.start, min(m.end, hole.start)}); before.start < before.end {
			out = append(out, before)
		}
		if after := (memory{max(m.start, hole.end), m.end}); after.start < after.end {
			out = append(out, after)
		}
	}
	return out
}

// allocate takes a number of bytes at an alignment from free memory, the lowest first, and returns their address.
func allocate(free []memory, size, align uint64) (address uint64, rest []memory, err error) {
	size = roundUp(size, pageSize)
	for _, m := range free {
		if start := roundUp(m.start, align); start < m.end && m.end-start >= size {
			return start, without(free, memory{start, start + size}), nil
		}
	}
	return 0, nil, fmt.Errorf("no %d MiB of contiguous memory are free", size>>20)
}

func roundUp(n, unit uint64) uint64 { return (n + unit - 1) / unit * unit }

// image is the header of an arm64 kernel.
type image struct{ offset, size uint64 }

func parseImage(kernel []byte) (image, error) {
	if len(kernel) < 64 || string(kernel[56:60]) != "ARMd" {
		return image{}, errors.New("kernel is no uncompressed arm64 Image")
	}
	i := image{binary.LittleEndian.Uint64(kernel[8:]), binary.LittleEndian.Uint64(kernel[16:])}
	if i.offset >= kernelAlign || i.size < uint64(len(kernel)) || i.size > 1<<30 {
		return image{}, fmt.Errorf("kernel's header has text_offset %#x and image_size %#x", i.offset, i.size)
	}
	return i, nil
}

// segment is data at a physical address.
type segment struct {
	address uint64
	data    []byte
	size    uint64 // of the memory, at least that of the data
}

// trampoline sets the registers with which a kernel starts, and jumps to it: the device tree's address in x0, zero in x1 to
// x3.
func trampoline(entry, tree uint64) []byte {
	var code []byte
	for _, instruction := range []uint32{
		0x58000104, // ldr x4, entry
		0x58000120, // ldr x0, tree
		0xaa1f03e1, // mov x1, xzr
		0xaa1f03e2, // mov x2, xzr
		0xaa1f03e3, // mov x3, xzr
		0xd61f0080, // br x4
		0xd503201f, // nop
		0xd503201f, // nop
	} {
		code = binary.LittleEndian.AppendUint32(code, instruction)
	}
	code = binary.LittleEndian.AppendUint64(code, entry)
	return binary.LittleEndian.AppendUint64(code, tree)
}

// layout places kernel, initramfs, device tree and trampoline in memory. tree returns the device tree for the addresses of the
// initramfs. The entry is the trampoline's address.
func layout(free []memory, kernel, initramfs []byte, tree func(start, end uint64) ([]byte, error)) (entry uint64, out []segment, err error) {
	i, err := parseImage(kernel)
	if err != nil {
		return 0, nil, err
	}
	base, free, err := allocate(free, i.offset+i.size, kernelAlign)
	if err != nil {
		return 0, nil, fmt.Errorf("place the kernel: %w", err)
	}
	out = append(out, segment{base + i.offset, kernel, i.size})
	add := func(data []byte, align uint64) (uint64, error) {
		address, rest, err := allocate(free, uint64(len(data)), align)
		if err != nil {
			return 0, err
		}
		free = rest
		out = append(out, segment{address, data, uint64(len(data))})
		return address, nil
	}
	ramfs, err := add(initramfs, pageSize)
	if err != nil {
		return 0, nil, fmt.Errorf("place the initramfs: %w", err)
	}
	dtb, err := tree(ramfs, ramfs+uint64(len(initramfs)))
	if err != nil {
		return 0, nil, err
	}
	dtbAt, err := add(dtb, kernelAlign) // it must not cross 2 MiB
	if err != nil {
		return 0, nil, fmt.Errorf("place the device tree: %w", err)
	}
	entry, err = add(trampoline(out[0].address, dtbAt), pageSize)
	return entry, out, err
}
