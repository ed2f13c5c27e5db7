// Package userns runs this program again as root of a user namespace (user_namespaces(7)), in which an ordinary user may
// run the scripts of packages and give files to any owner. Files that the program writes belong to the user outside.
package userns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// idCount is the number of users and of groups of a namespace: 0 to 65535.
const idCount = 65536

// ErrUnavailable is why an ordinary user cannot have a user namespace.
var ErrUnavailable = errors.New("cannot create a user namespace")

// Run runs this program again, with the same arguments, as root of a new user namespace, and waits for its end; when ctx
// ends, the program gets SIGTERM. The error wraps ErrUnavailable if namespaces cannot be created here, and is an
// *exec.ExitError if the program failed.
func Run(ctx context.Context) error {
	u, err := user.Current()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	maps, err := system{"/"}.idMaps(u)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	ready, start, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	cmd, err := command(ctx, ready)
	if err != nil {
		return errors.Join(err, start.Close())
	}
	// The kernel sends Pdeathsig when the thread ends that started the program.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("%w: %w", ErrUnavailable, err), start.Close())
	}
	for _, m := range maps {
		out, err := exec.Command(m[0], append([]string{strconv.Itoa(cmd.Process.Pid)}, m[1:]...)...).CombinedOutput()
		if err != nil {
			_ = start.Close() // ends the shell
			return errors.Join(fmt.Errorf("%w: run %s: %w: %s", ErrUnavailable, strings.Join(m, " "), err, out), ignoreExit(cmd.Wait()))
		}
	}
	_, err = start.WriteString("\n")
	return errors.Join(err, start.Close(), cmd.Wait())
}

// command returns the command that runs this program in a new namespace once a line can be read from ready.
func command(ctx context.Context, ready *os.File) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	// The shell waits until its user ID is mapped to root. Only a program executed after that gets root's capabilities.
	args := []string{"-c", `read -r _ <&3 && exec "$@" 3<&-`, "sh", exe}
	cmd := exec.CommandContext(ctx, "/bin/sh", append(args, os.Args[1:]...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{ready}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute // for the program to end its own programs
	return cmd, nil
}

func ignoreExit(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil
	}
	return err
}

// system is the configuration of the machine below a directory.
type system struct{ root string }

// apparmorRestriction is the sysctl by which Ubuntu denies the capabilities of a user namespace to unconfined programs.
const apparmorRestriction = "kernel.apparmor_restrict_unprivileged_userns"

// idMaps returns the commands, without the process ID, that map root of a namespace to the user, and further IDs to the
// user's subordinate ones.
func (s system) idMaps(u *user.User) ([][]string, error) {
	set, err := os.ReadFile(s.root + "proc/sys/" + strings.ReplaceAll(apparmorRestriction, ".", "/"))
	if err == nil && strings.TrimSpace(string(set)) == "1" && !s.confined() {
		return nil, fmt.Errorf("AppArmor restricts user namespaces on this machine (as on Ubuntu since 24.04 and on GitHub's runners); "+
			"allow them with: sudo sysctl --write %s=0", apparmorRestriction)
	}
	if limit, err := os.ReadFile(s.root + "proc/sys/user/max_user_namespaces"); err == nil && strings.TrimSpace(string(limit)) == "0" {
		return nil, errors.New("user namespaces are disabled; allow them with: sudo sysctl --write user.max_user_namespaces=10000")
	}
	if clone, err := os.ReadFile(s.root + "proc/sys/kernel/unprivileged_userns_clone"); err == nil && strings.TrimSpace(string(clone)) == "0" {
		return nil, errors.New("user namespaces are disabled for ordinary users; allow them with: sudo sysctl --write kernel.unprivileged_userns_clone=1")
	}
	var maps [][]string
	for _, m := range []struct{ program, file, own string }{
		{"newuidmap", "etc/subuid", u.Uid}, {"newgidmap", "etc/subgid", u.Gid},
	} {
		program, err := exec.LookPath(m.program)
		if err != nil {
			return nil, fmt.Errorf("%s is missing: install the package uidmap", m.program)
		}
		text, err := os.ReadFile(s.root + m.file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		first, ok := subordinate(string(text), u)
		if !ok {
			return nil, fmt.Errorf("/%s gives user %s fewer than %d IDs: run sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s",
				m.file, u.Username, idCount, u.Username)
		}
		maps = append(maps, []string{program, "0", m.own, "1", "1", first, strconv.Itoa(idCount - 1)})
	}
	return maps, nil
}

// confined reports whether this program has an AppArmor profile of its own, which may allow user namespaces.
func (s system) confined() bool {
	label, err := os.ReadFile(s.root + "proc/self/attr/current")
	return err == nil && strings.TrimSpace(string(label)) != "unconfined"
}

// subordinate returns the first of the subordinate IDs that subuid(5) gives a user, if they are enough.
func subordinate(text string, u *user.User) (first string, ok bool) {
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 3 || f[0] != u.Username && f[0] != u.Uid {
			continue
		}
		if count, err := strconv.Atoi(f[2]); err == nil && count >= idCount-1 {
			return f[1], true
		}
	}
	return "", false
}
