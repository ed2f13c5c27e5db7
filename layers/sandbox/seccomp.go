package sandbox

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// namespaceFlags are the flags of clone(2) and unshare(2) for new namespaces. In a new user namespace a program would have
// all capabilities again.
const namespaceFlags = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID |
	unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP

// Offsets in struct seccomp_data, on little-endian machines.
const (
	numberOffset   = 0
	archOffset     = 4
	argumentOffset = 16 // of the first argument's lower half
)

// x32Bit marks system calls of amd64's x32 ABI, which no architecture of Debian uses.
const x32Bit = 0x40000000

// filter returns the seccomp filter of commands, for all architectures whose programs a machine may run natively. System
// calls of other architectures fail with ENOSYS.
func filter() []unix.SockFilter {
	f := []unix.SockFilter{load(archOffset)}
	for _, arch := range []struct {
		audit  uint32
		number func(call) uint32
	}{
		{unix.AUDIT_ARCH_X86_64, func(c call) uint32 { return c.amd64 }},
		{unix.AUDIT_ARCH_I386, func(c call) uint32 { return c.i386 }},
		{unix.AUDIT_ARCH_AARCH64, func(c call) uint32 { return c.arm64 }},
		{unix.AUDIT_ARCH_ARM, func(c call) uint32 { return c.arm }},
	} {
		block := filterOf(arch.number, arch.audit == unix.AUDIT_ARCH_X86_64)
		f = append(f, jumpIf(unix.BPF_JEQ, arch.audit, 1, 0), statement(unix.BPF_JMP|unix.BPF_JA, uint32(len(block))))
		f = append(f, block...)
	}
	return append(f, fail(unix.ENOSYS))
}

// filterOf returns the part of the filter for one architecture, which ends in a verdict.
func filterOf(number func(call) uint32, x32 bool) []unix.SockFilter {
	f := []unix.SockFilter{load(numberOffset)}
	if x32 {
		f = append(f, jumpIf(unix.BPF_JGE, x32Bit, 0, 1), fail(unix.ENOSYS))
	}
	deny := func(calls []call, with unix.Errno) {
		for _, c := range calls {
			if nr := number(c); nr != 0 {
				f = append(f, jumpIf(unix.BPF_JEQ, nr, 0, 1), fail(with))
			}
		}
	}
	deny(denied, unix.EPERM)
	deny(missing, unix.ENOSYS)
	argument := func(c call, test uint16, value uint32, with unix.Errno) {
		f = append(f, jumpIf(unix.BPF_JEQ, number(c), 0, 4), load(argumentOffset), jumpIf(test, value, 0, 1), fail(with), allow())
	}
	argument(cloneCall, unix.BPF_JSET, namespaceFlags, unix.EPERM)
	argument(unshareCall, unix.BPF_JSET, namespaceFlags, unix.EPERM)
	argument(socketCall, unix.BPF_JEQ, unix.AF_VSOCK, unix.EAFNOSUPPORT) // reaches the machine's hypervisor
	return append(f, allow())
}

func statement(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }

func load(offset uint32) unix.SockFilter {
	return statement(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, offset)
}

// jumpIf skips instructions: as many as yes says if the test holds, else as many as no says.
func jumpIf(test uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | test, Jt: yes, Jf: no, K: k}
}

func fail(with unix.Errno) unix.SockFilter {
	return statement(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ERRNO|uint32(with))
}

func allow() unix.SockFilter {
	return statement(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ALLOW)
}

// loadSeccomp loads the filter for the calling thread and what it starts. The thread has CAP_SYS_ADMIN in its user
// namespace, so that programs can still gain privileges by setuid bits.
func loadSeccomp() error {
	f := filter()
	program := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return fmt.Errorf("load the seccomp filter: %w", errno)
	}
	return nil
}
