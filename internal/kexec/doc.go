// Package kexec loads a kernel for arm64 with its initramfs, device tree and command line, for a restart into it without the
// firmware. It is for uncompressed kernels, as Debian's are, and passes on the device tree that the running kernel was given.
//
// See Documentation/arch/arm64/booting.rst of Linux and kexec_load(2).
package kexec
