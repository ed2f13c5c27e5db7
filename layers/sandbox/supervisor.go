package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// supervisorName is the name (argv[0]) under which the program starts itself as a supervisor.
const supervisorName = "pkbuild-sandbox"

// Descriptors of the supervisor.
const (
	parentSocket = 3
	changesFile  = 4
)

// failed is the exit status of a supervisor that failed itself. It has told its parent why.
const failed = 125

// Main runs the supervisor of a sandbox, and does not return, if the program was started as one. Every program that
// runs sandboxes calls it first in main; tests that run some call it in TestMain.
func Main() {
	if len(os.Args) == 0 || os.Args[0] != supervisorName {
		return
	}
	conn := newConnection(os.NewFile(parentSocket, "parent"))
	status, err := supervise(conn)
	if err != nil {
		_ = conn.ask(request{Failure: err.Error()})
		os.Exit(failed)
	}
	os.Exit(status)
}

// supervise does a job and returns the exit status of its command. It runs as PID 1 of new namespaces, with the user ID
// of its parent, which may execute the program, and all capabilities in the namespaces.
func supervise(conn *connection) (status int, err error) {
	var j job
	if err := conn.in.Decode(&j); err != nil {
		return 0, fmt.Errorf("read the job: %w", err)
	}
	if err := closeOnExec(); err != nil {
		return 0, err
	}
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setresgid(0, 0, 0), syscall.Setresuid(0, 0, 0)); err != nil {
		return 0, fmt.Errorf("become root of the user namespace: %w", err)
	}
	runtime.LockOSThread() // the kernel forgets the signal with the thread, as it did with the former user
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return 0, os.NewSyscallError("prctl", err)
	}
	unix.Umask(0o022)
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("800"), 0); err != nil { // rather than the building machine's
		return 0, err
	}
	if err := prepare(j, conn); err != nil {
		return 0, err
	}
	if status, err = j.run(conn); err != nil || status != 0 {
		return status, err
	}
	if err := unix.Unmount("root", 0); err != nil {
		return 0, fmt.Errorf("unmount the tree: %w", err)
	}
	return 0, writeChanges()
}

// closeOnExec keeps all descriptors but the standard ones from the command, those among them that this program was started
// with, such as make's.
func closeOnExec() error {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, name := range names {
		if fd, err := strconv.Atoi(name.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// prepare mounts the tree with the tools over it at "root" in the working directory.
func prepare(j job, conn *connection) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := moveToMemory(j.Memory); err != nil {
		return err
	}
	for _, dir := range []string{"tools", "tree", "upper", "work", "root", "aside", "proc", "sys", "binfmt"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{"tools", "tree"} {
		if err := conn.ask(request{Extract: name}); err != nil {
			return err
		}
	}
	const layers = "lowerdir=tools:tree,upperdir=upper,workdir=work,userxattr,volatile"
	if err := mount("overlay", "root", 0, layers); err != nil {
		return err
	}
	const readOnly = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := mount("proc", "proc", readOnly, ""); err != nil {
		return err
	}
	if err := mountSys(readOnly); err != nil {
		return err
	}
	if j.Aside || j.Serve {
		if err := mount("tmpfs", "aside", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
			return err
		}
	}
	if j.Aside {
		if err := conn.ask(request{Extract: "aside"}); err != nil {
			return err
		}
	}
	if j.Serve {
		if err := conn.ask(request{Listen: true}); err != nil {
			return err
		}
	}
	if err := unix.Sethostname([]byte("localhost")); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	return register(j.Emulator)
}

// mountSys mounts a sysfs that shows no network interface but lo, from a thread with a network namespace of its own: only
// the owner of a network namespace may mount its sysfs, which a sandbox with the building machine's network is not.
func mountSys(flags uintptr) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("create a network namespace: %w", err)
			return
		}
		result <- mount("sysfs", "sys", flags, "")
		select {} // lo is gone with the namespace, which is gone with the thread
	}()
	return <-result
}

// moveToMemory mounts a tmpfs and makes it the working directory. It does nothing if size is 0, or if a tmpfs in a user
// namespace has no extended attributes (before Linux 6.6), which the overlay needs.
func moveToMemory(size int64) error {
	if size == 0 {
		return nil
	}
	if err := os.MkdirAll("memory", 0o700); err != nil {
		return err
	}
	if err := mount("tmpfs", "memory", 0, fmt.Sprintf("mode=0700,size=%d", size)); err != nil {
		return err
	}
	if unix.Setxattr("memory", "user.pkbuild", []byte("x"), 0) != nil {
		return unix.Unmount("memory", 0)
	}
	return os.Chdir("memory")
}

// register registers an emulator with the binfmt_misc of the user namespace.
func register(line string) error {
	if line == "" {
		return nil
	}
	err := mount("binfmt_misc", "binfmt", 0, "")
	if err == nil {
		err = os.WriteFile("binfmt/register", []byte(line), 0)
	}
	if err != nil {
		return fmt.Errorf("register the emulator: %w (before Linux 6.7 root has to, for the whole machine: install the package "+
			"qemu-user-static, or run pkbuild as root)", err)
	}
	return nil
}

// run runs the command and returns its exit status. Afterwards no other process is left.
func (j job) run(conn *connection) (status int, err error) {
	var pid int
	var created bool
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		var err error
		pid, created, err = j.start()
		started <- err
	}()
	if err := <-started; err != nil {
		return 0, err
	}
	if status, err = waitFor(pid); err != nil {
		return 0, err
	}
	if err := endOthers(conn); err != nil {
		return 0, err
	}
	if created {
		err = removeIn("upper", resolvConfFile)
	}
	return status, err
}

func removeIn(dir, name string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	return errors.Join(root.Remove(strings.TrimPrefix(name, "/")), root.Close())
}

// start starts the command in the tree. It restricts the calling thread, which the command inherits.
func (j job) start() (pid int, created bool, err error) {
	if created, err = enterTree(j); err != nil {
		return 0, created, err
	}
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, created, &os.PathError{Op: "open", Path: "/dev/null", Err: err}
	}
	if err := restrict(j.Network); err != nil {
		return 0, created, err
	}
	pid, err = limited(func() (int, error) {
		return syscall.ForkExec(j.Args[0], j.Args, &syscall.ProcAttr{
			Dir: "/", Env: j.Env, Files: []uintptr{uintptr(null), 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true},
		})
	})
	if err != nil {
		hint := ""
		if errors.Is(err, syscall.ENOENT) && exists(j.Args[0]) {
			hint = " (is the interpreter in its first line there?)"
		}
		return 0, created, fmt.Errorf("start %s: %w%s", strings.Join(j.Args, " "), err, hint)
	}
	return pid, created, nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// waitFor waits for a process, and for others that end meanwhile: PID 1 is the parent of all orphans. The status of a
// process that a signal ended is 128 and the signal's number, as in shells.
func waitFor(pid int) (int, error) {
	for {
		var status syscall.WaitStatus
		switch ended, err := syscall.Wait4(-1, &status, 0, nil); {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, os.NewSyscallError("wait4", err)
		case ended == pid && status.Signaled():
			return 128 + int(status.Signal()), nil
		case ended == pid:
			return status.ExitStatus(), nil
		}
	}
}

// writeChanges writes the upperdir as a tar archive.
func writeChanges() error {
	cmd := exec.Command("tar", "--create", "--file=-", "--directory=upper", "--format=posix", "--numeric-owner",
		"--xattrs", "--xattrs-include=*", ".")
	cmd.Stdout, cmd.Stderr = os.NewFile(changesFile, "changes"), os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("archive the changes: %w", err)
	}
	return nil
}

// mount mounts a file system without a source, with its own name as that.
func mount(kind, target string, flags uintptr, options string) error {
	if err := unix.Mount(kind, target, kind, flags, options); err != nil {
		return fmt.Errorf("mount %s at %s (%s): %w", kind, filepath.Clean(target), options, err)
	}
	return nil
}
