package initsteps

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// userNamespace returns a user namespace that maps root to the IDs. The kernel takes the mapping of a mount from a user
// namespace, which only a process can make: a child that is stopped before it runs anything.
func userNamespace(ids IDs) (f *os.File, err error) {
	runtime.LockOSThread() // only the thread that traces the child may end it
	defer runtime.UnlockOSThread()
	child, err := os.StartProcess("/proc/self/exe", []string{"pkinit-userns"}, &os.ProcAttr{Sys: &syscall.SysProcAttr{
		Ptrace:      true,
		Cloneflags:  syscall.CLONE_NEWUSER,
		Pdeathsig:   syscall.SIGKILL,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: ids.UID, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: ids.GID, Size: 1}},
	}})
	if err != nil {
		return nil, fmt.Errorf("make user namespace of uid %d, gid %d: %w", ids.UID, ids.GID, err)
	}
	defer func() {
		kill := child.Kill()
		_, wait := child.Wait()
		err = errors.Join(err, kill, wait)
	}()
	return os.Open(fmt.Sprintf("/proc/%d/ns/user", child.Pid))
}
