package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxProcesses limits the processes of all sandboxes together: far more than packages start, and far fewer than would
// stop the building machine.
const maxProcesses = 4096

// keptCapabilities are what maintainer scripts use; they count in the user namespace alone. What Docker gives to
// containers besides has no effect there.
var keptCapabilities = []int{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL, unix.CAP_SETFCAP,
	unix.CAP_SETGID, unix.CAP_SETPCAP, unix.CAP_SETUID, unix.CAP_SYS_CHROOT,
}

// limited calls start, and limits the number of processes for the process that it starts. The supervisor has the same
// user, and no such limit: it still has to end what a fork bomb started.
func limited(start func() (pid int, err error)) (pid int, err error) {
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &own); err != nil {
		return 0, os.NewSyscallError("getrlimit", err)
	}
	limit := unix.Rlimit{Cur: min(maxProcesses, own.Max), Max: min(maxProcesses, own.Max)}
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: limit.Cur, Max: own.Max}); err != nil {
		return 0, os.NewSyscallError("setrlimit", err)
	}
	pid, err = start()
	if err == nil {
		err = os.NewSyscallError("prlimit", unix.Prlimit(pid, unix.RLIMIT_NPROC, &limit, nil))
	}
	return pid, errors.Join(err, os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_NPROC, &own)))
}

// restrict takes from the calling thread, and from what it starts, whatever the scripts of packages do not need.
func restrict(network bool) error {
	// A keyring of its own, since keys would last longer than the sandbox in that of the session.
	_, _, errno := unix.Syscall(unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0) // without a name
	if errno != 0 && errno != unix.ENOSYS && errno != unix.EPERM {                       // a kernel, or a container, without keys
		return os.NewSyscallError("keyctl", errno)
	}
	if network { // else no abstract sockets can be reached
		if err := scopeAbstractSockets(); err != nil {
			return err
		}
	}
	if err := dropCapabilities(); err != nil {
		return err
	}
	return loadSeccomp()
}

// dropCapabilities leaves the kept capabilities to the programs that the thread starts. The seccomp filter has yet to be
// loaded: the thread itself keeps what that takes.
func dropCapabilities() error {
	last, err := lastCapability()
	if err != nil {
		return err
	}
	keep := uint64(0)
	for _, c := range keptCapabilities {
		keep |= 1 << c
	}
	for c := 0; c <= last; c++ {
		if keep&(1<<c) != 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	// Without inheritable and ambient ones a program that root starts gets the bounding set.
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	data[0].Inheritable, data[1].Inheritable = 0, 0
	return os.NewSyscallError("capset", unix.Capset(&header, &data[0]))
}

// lastCapability returns the number of the last capability that the kernel knows.
func lastCapability() (int, error) {
	text, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// scopeAbstractSockets keeps the thread from abstract sockets of processes outside, which lie in the network namespace:
// landlock(7). It does nothing before Linux 6.12, which has no such scope.
func scopeAbstractSockets() error {
	const (
		createVersion = 1 // LANDLOCK_CREATE_RULESET_VERSION
		abiOfScopes   = 6
		abstractScope = 1 // LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
	)
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, createVersion)
	if errno != 0 || abi < abiOfScopes {
		return nil
	}
	rules := struct{ files, network, scoped uint64 }{scoped: abstractScope}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&rules)), unsafe.Sizeof(rules), 0)
	if errno != 0 {
		return os.NewSyscallError("landlock_create_ruleset", errno)
	}
	defer unix.Close(int(fd))
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return os.NewSyscallError("landlock_restrict_self", errno)
	}
	return nil
}
