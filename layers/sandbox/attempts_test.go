package sandbox

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attemptName is the name of the program as which the test binary makes an attempt to leave a sandbox.
const attemptName = "attempt"

// An attempt tries to reach or change what is outside the sandbox, and returns the error that stops it. argument is one of
// the test's, such as an address. Where it succeeded the attempt must do no harm.
type attempt func(argument string) error

var attempts = map[string]attempt{
	"chmod a device node":          func(string) error { return os.Chmod("/dev/full", 0o640) },
	"chown a device node":          func(string) error { return os.Chown("/dev/null", 1, 1) },
	"delete a device node":         func(string) error { return os.Remove("/dev/zero") },
	"create a device node":         func(device string) error { return unix.Mknod("/opt/disk", unix.S_IFBLK|0o600, number(device)) },
	"open a device node of a tree": func(string) error { return readable("/opt/node") },
	"mount":                        func(string) error { return unix.Mount("x", "/tmp", "tmpfs", 0, "") },
	"unmount":                      func(string) error { return unix.Unmount("/proc", unix.MNT_DETACH) },
	"make /proc writable": func(string) error {
		return unix.Mount("", "/proc", "", unix.MS_REMOUNT|unix.MS_BIND, "")
	},
	"make the inputs writable": func(string) error {
		return unix.Mount("", AsideDir, "", unix.MS_REMOUNT|unix.MS_BIND, "")
	},
	"write to the inputs": func(string) error { return os.WriteFile(AsideDir+"/input", []byte("x"), 0) },
	"mount by the new calls": func(string) error {
		_, err := unix.Fsopen("tmpfs", 0)
		return err
	},
	"user namespace by unshare": func(string) error { return unix.Unshare(unix.CLONE_NEWUSER) },
	"user namespace by clone":   func(string) error { return start(unix.CLONE_NEWUSER | unix.CLONE_NEWNS) },
	"user namespace by clone3":  clone3,
	"mount namespace":           func(string) error { return unix.Unshare(unix.CLONE_NEWNS) },
	"namespace of the supervisor": func(string) error {
		f, err := os.Open("/proc/1/ns/mnt")
		if err == nil {
			err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNS)
		}
		return err
	},
	"setns": func(string) error {
		f, err := os.Open("/proc/self/ns/mnt")
		if err == nil {
			err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNS)
		}
		return err
	},
	"root of the supervisor":        func(name string) error { return readable("/proc/1/root" + name) },
	"environment of the supervisor": func(string) error { return readable("/proc/1/environ") },
	"descriptors of the supervisor": func(string) error { return readable("/proc/1/fd/3") },
	"memory of the supervisor":      func(string) error { return readable("/proc/1/mem") },
	"ptrace the supervisor":         func(string) error { return unix.PtraceAttach(1) },
	"leave by chroot":               leaveByChroot,
	"inherited descriptors":         inheritedDescriptors,
	"file by handle": func(string) error {
		_, err := unix.OpenByHandleAt(unix.AT_FDCWD, unix.NewFileHandle(1, make([]byte, 8)), unix.O_RDONLY)
		return err
	},
	"write a kernel setting":   writeSetting,
	"open the sysrq trigger":   func(string) error { return writable("/proc/sysrq-trigger") },
	"register a binary format": func(string) error { return writable("/proc/sys/fs/binfmt_misc/register") },
	"write to /sys":            func(string) error { return writable("/sys/kernel/mm/ksm/run") },
	"read the kernel log": func(string) error {
		_, err := unix.Klogctl(unix.SYSLOG_ACTION_READ_ALL, make([]byte, 64))
		return err
	},
	"open the kernel's memory": func(string) error { return readable("/proc/kcore") },
	"add a key": func(string) error {
		_, err := unix.AddKey("user", "pkbuild-test", []byte("x"), unix.KEY_SPEC_SESSION_KEYRING)
		return err
	},
	"read the keys of the user": func(string) error {
		_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_USER_SESSION_KEYRING, true)
		return err
	},
	"signal a process outside": func(pid string) error { return unix.Kill(number(pid), 0) },
	"host name":                func(string) error { return unix.Sethostname([]byte("escaped")) },
	"clock": func(string) error {
		var now unix.Timespec
		return errors.Join(unix.ClockGettime(unix.CLOCK_REALTIME, &now), unix.ClockSettime(unix.CLOCK_REALTIME, &now))
	},
	"reboot": func(string) error { // the magic numbers are wrong
		_, _, errno := unix.Syscall(unix.SYS_REBOOT, 0, 0, 0)
		return os.NewSyscallError("reboot", errno)
	},
	"load a module": func(string) error { return unix.FinitModule(-1, "", 0) },
	"load a BPF program": func(string) error {
		_, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, 0, 0)
		return os.NewSyscallError("bpf", errno)
	},
	"trace the machine": func(string) error {
		_, err := unix.PerfEventOpen(&unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{}))}, -1, 0, -1, 0)
		return err
	},
	"io_uring": func(string) error {
		_, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, 0, 0)
		return os.NewSyscallError("io_uring_setup", errno)
	},
	"swap": func(string) error {
		_, _, errno := unix.Syscall(unix.SYS_SWAPOFF, uintptr(unsafe.Pointer(&[]byte("/none\x00")[0])), 0, 0)
		return os.NewSyscallError("swapoff", errno)
	},
	"abstract socket":  func(name string) error { return dial("unix", "@"+name) },
	"socket":           func(name string) error { return dial("unix", name) },
	"port of the host": func(address string) error { return dial("tcp", address) },
	"packets": func(string) error {
		_, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		return err
	},
	"hypervisor": func(string) error {
		_, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0)
		return err
	},
	"terminal": func(string) error { return writable("/dev/tty") },
	"raise the limit of processes": func(string) error {
		return unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
	},
	"priority": func(string) error { return unix.Setpriority(unix.PRIO_PROCESS, 0, -10) },
	"gain capabilities": func(string) error {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		data := [2]unix.CapUserData{{Effective: 1 << unix.CAP_SYS_ADMIN, Permitted: 1 << unix.CAP_SYS_ADMIN}}
		return unix.Capset(&header, &data[0])
	},
	"setuid program": func(string) error {
		return errors.Join(copySelf("/opt/setuid"), unix.Chmod("/opt/setuid", 0o4755), errors.New("setuid copy is installed"))
	},
}

// makeAttempt makes the attempt that the arguments name and prints what stopped it.
func makeAttempt() {
	err := attempts[os.Args[1]](os.Args[2])
	if err == nil {
		fmt.Println("succeeded")
		return
	}
	if errno := syscall.Errno(0); errors.As(err, &errno) && !strings.HasSuffix(err.Error(), errno.Error()) {
		err = errno
	}
	fmt.Println("stopped:", err)
}

func number(text string) int {
	var n int
	_, _ = fmt.Sscan(text, &n)
	return n
}

func readable(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	n, err := f.Read(make([]byte, 1))
	if n == 0 && err != nil {
		return err
	}
	return nil
}

func writable(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// writeSetting writes the value that a setting has already.
func writeSetting(string) error {
	const name = "/proc/sys/kernel/printk_ratelimit"
	value, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return os.WriteFile(name, value, 0)
}

func start(flags uintptr) error {
	cmd := exec.Command("/bin/true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	return cmd.Run()
}

func clone3(string) error {
	args := struct{ flags, pidfd, childTid, parentTid, exitSignal, stack, stackSize, tls uint64 }{flags: unix.CLONE_NEWUSER, exitSignal: uint64(unix.SIGCHLD)}
	pid, _, errno := syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args), 0)
	if errno == 0 && pid == 0 {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return os.NewSyscallError("clone3", errno)
}

// leaveByChroot leaves a root that was only changed by chroot(2), and looks for a file of the building machine.
func leaveByChroot(name string) error {
	if err := os.Mkdir("/opt/below", 0o755); err != nil {
		return err
	}
	if err := unix.Chroot("/opt/below"); err != nil {
		return err
	}
	for range 64 { // the working directory is outside of the new root
		if err := os.Chdir(".."); err != nil {
			return err
		}
	}
	return errors.Join(unix.Chroot("."), readable(name))
}

func inheritedDescriptors(string) error {
	names, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		return err
	}
	for _, name := range names {
		target, err := os.Readlink(name)
		if err == nil && filepath.Base(name) > "2" && !strings.HasPrefix(target, "anon_inode:") && !strings.HasPrefix(target, "/proc/") {
			fmt.Println("found", name, target)
			return nil
		}
	}
	return errors.New("none")
}

func dial(network, address string) error {
	c, err := net.DialTimeout(network, address, time.Second)
	if err != nil {
		return err
	}
	return c.Close()
}

func copySelf(to string) error {
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}
