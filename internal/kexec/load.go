package kexec

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Kernel is a kernel with initramfs and command line, which kexec starts in place of the running one, without the firmware.
type Kernel struct {
	Image     []byte // uncompressed, for arm64
	Initramfs []byte
	Cmdline   string
}

// rawSegment is struct kexec_segment of Linux.
type rawSegment struct {
	data    unsafe.Pointer
	size    uintptr
	address uintptr
	memory  uintptr
}

// Load loads a kernel into memory, from where Start starts it. Load works on arm64 only, and needs root and a running kernel
// with CONFIG_KEXEC. On boards whose further processors wait in a spin table, the running kernel refuses to load another one
// unless it was booted with nr_cpus=1.
func Load(k Kernel) error {
	if runtime.GOARCH != "arm64" {
		return fmt.Errorf("load a kernel for arm64: the running one is for %s", runtime.GOARCH)
	}
	iomem, err := os.Open("/proc/iomem")
	if err != nil {
		return err
	}
	defer iomem.Close()
	free, err := freeMemory(iomem)
	if err != nil {
		return err
	}
	running, err := os.ReadFile("/sys/firmware/fdt")
	if err != nil {
		return fmt.Errorf("read the running kernel's device tree: %w", err)
	}
	entry, segments, err := layout(free, k.Image, k.Initramfs, func(start, end uint64) ([]byte, error) {
		return chosenTree(running, k.Cmdline, start, end)
	})
	if err != nil {
		return err
	}
	raw := make([]rawSegment, len(segments))
	for i, s := range segments {
		raw[i] = rawSegment{unsafe.Pointer(&s.data[0]), uintptr(len(s.data)), uintptr(s.address), uintptr(roundUp(s.size, pageSize))}
	}
	const archARM64 = 183 << 16 // KEXEC_ARCH_AARCH64
	_, _, errno := unix.Syscall6(unix.SYS_KEXEC_LOAD, uintptr(entry), uintptr(len(raw)), uintptr(unsafe.Pointer(&raw[0])), archARM64, 0, 0)
	runtime.KeepAlive(segments)
	if errno != 0 {
		return fmt.Errorf("kexec_load (entry %#x, kernel at %#x): %w", entry, segments[0].address, errno)
	}
	return nil
}

// Start starts the kernel that Load loaded, at once: it neither ends processes nor syncs file systems. It returns only if
// that fails, as without a loaded kernel.
func Start() error {
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_KEXEC); err != nil {
		return fmt.Errorf("restart into the loaded kernel: %w", err)
	}
	return nil
}
