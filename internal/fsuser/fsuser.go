// Package fsuser creates files as another user: a file system that is mounted in a user namespace takes files only from
// users of that namespace.
package fsuser

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Do calls f on a thread of its own whose user and group for file systems are id (setfsuid(2)), and which keeps its
// capabilities. If id is 0 it just calls f. What f starts in other goroutines is not affected.
func Do(id uint32, f func() error) error {
	if id == 0 {
		return f()
	}
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		err := become(int(id))
		if err == nil {
			err = f()
		}
		result <- err
	}()
	return <-result
}

// become changes the IDs of the calling thread. Leaving 0 costs it capabilities, which it takes again.
func become(id int) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	if err := unix.Setfsgid(id); err != nil {
		return os.NewSyscallError("setfsgid", err)
	}
	if err := unix.Setfsuid(id); err != nil {
		return os.NewSyscallError("setfsuid", err)
	}
	return os.NewSyscallError("capset", unix.Capset(&header, &data[0]))
}
