package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Processes that the command leaves behind have this long to end by themselves, and again after SIGTERM.
const (
	endGrace  = 500 * time.Millisecond
	termGrace = 2 * time.Second
)

// endOthers kills all other processes of the PID namespace after a grace period, and warns of each that was still running.
// One SIGKILL to all of them leaves none time to fork.
func endOthers(conn *connection) error {
	if reapFor(endGrace) {
		return nil
	}
	for _, warning := range leftovers("proc") {
		if err := conn.ask(request{Warning: warning}); err != nil {
			return err
		}
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := syscall.Kill(-1, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return os.NewSyscallError("kill", err)
		}
		if reapFor(termGrace) {
			return nil
		}
	}
	for !reapFor(termGrace) { // a killed process that is in a system call still has to return from it
		if err := syscall.Kill(-1, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return os.NewSyscallError("kill", err)
		}
	}
	return nil
}

// reapFor collects ended children, up to a time, and reports whether none is left.
func reapFor(limit time.Duration) bool {
	for end := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if errors.Is(err, syscall.ECHILD) {
				return true
			}
			if pid == 0 || err != nil && !errors.Is(err, syscall.EINTR) {
				break
			}
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// leftovers describes the processes in a proc file system besides the caller. A maintainer script's are told by the
// environment that dpkg gives it.
func leftovers(proc string) []string {
	var out []string
	names, _ := filepath.Glob(filepath.Join(proc, "[0-9]*"))
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil || pid == unix.Getpid() {
			continue
		}
		command, err := os.ReadFile(filepath.Join(name, "cmdline"))
		if err != nil || len(command) == 0 { // it has ended
			continue
		}
		environ, _ := os.ReadFile(filepath.Join(name, "environ"))
		text := string(bytes.TrimSpace(bytes.ReplaceAll(command, []byte{0}, []byte{' '})))
		out = append(out, fmt.Sprintf("process %d (%.120s) was left running%s: pkbuild ended it", pid, text, origin(environ)))
	}
	return out
}

// origin tells which maintainer script an environment is from; "" if from none.
func origin(environ []byte) string {
	of := map[string]string{}
	for setting := range strings.SplitSeq(string(environ), "\x00") {
		name, value, _ := strings.Cut(setting, "=")
		of[name] = value
	}
	if of["DPKG_MAINTSCRIPT_PACKAGE"] == "" {
		return ""
	}
	return fmt.Sprintf(" by the %s of the package %s", of["DPKG_MAINTSCRIPT_NAME"], of["DPKG_MAINTSCRIPT_PACKAGE"])
}
