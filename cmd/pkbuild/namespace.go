package main

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

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
)

// numbers is how many users and groups a tree of files needs: 0 to 65534, nobody.
const numbers = 65536

// rootless lets an ordinary user run a command that makes layers.
func rootless(run func(cmd *cobra.Command, args []string) error) func(cmd *cobra.Command, args []string) error {
	return func(cmd *cobra.Command, args []string) error {
		done, reason := inNamespace(cmd.Context())
		if done || reason != nil && !errors.Is(reason, errNoNamespace) {
			return reason
		}
		err := run(cmd, args)
		if reason != nil && errors.Is(err, sandbox.ErrRoot) {
			err = fmt.Errorf("%w: %w", err, reason)
		}
		return err
	}
}

// errNoNamespace is why an ordinary user cannot be root of a namespace. It is no harm where all layers are cached.
var errNoNamespace = errors.New("no user namespace")

// inNamespace runs this program again for an ordinary user, as root of a user namespace (user_namespaces(7)), where it
// may run the scripts of packages and give files to any owner. It does nothing for root. What the program makes belongs
// to the user outside.
func inNamespace(ctx context.Context) (done bool, err error) {
	if os.Geteuid() == 0 {
		return false, nil
	}
	u, err := user.Current()
	if err != nil {
		return false, fmt.Errorf("%w: %w", errNoNamespace, err)
	}
	maps, err := idMaps(u)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errNoNamespace, err)
	}
	ready, start, err := os.Pipe()
	if err != nil {
		return false, err
	}
	defer ready.Close()
	// The shell waits until its user is root. A program that is started then is given root's capabilities.
	exe, err := os.Executable()
	if err != nil {
		return false, err
	}
	args := []string{"-c", `read -r _ <&3 && exec "$@" 3<&-`, "sh", exe}
	cmd := exec.CommandContext(ctx, "/bin/sh", append(args, os.Args[1:]...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{ready}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute // it ends its own programs first
	// The kernel sends the signal when the thread ends that started the program.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return false, errors.Join(fmt.Errorf("%w: %w", errNoNamespace, err), start.Close())
	}
	for _, m := range maps {
		out, err := exec.Command(m[0], append([]string{strconv.Itoa(cmd.Process.Pid)}, m[1:]...)...).CombinedOutput()
		if err != nil {
			_ = start.Close() // the shell ends
			return false, errors.Join(fmt.Errorf("%w: %s: %w: %s", errNoNamespace, strings.Join(m, " "), err, out), ignoreExit(cmd.Wait()))
		}
	}
	_, err = start.WriteString("\n")
	return true, errors.Join(err, start.Close(), exitOf(cmd.Wait()))
}

func ignoreExit(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil
	}
	return err
}

// exitOf turns the end of a program that has said what there is to say into ours.
func exitOf(err error) error {
	exit := (*exec.ExitError)(nil)
	switch {
	case !errors.As(err, &exit):
		return err
	case exit.ExitCode() == cli.Failed:
		return cli.ErrReported
	}
	return fmt.Errorf("in the user namespace: %w", err)
}

// restriction is by what Ubuntu lets such a namespace be made and takes its use away.
const restriction = "kernel.apparmor_restrict_unprivileged_userns"

// idMaps are the calls that give the user's own number and 65535 subordinate ones to a namespace.
func idMaps(u *user.User) ([][]string, error) {
	set, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(restriction, ".", "/"))
	if err == nil && strings.TrimSpace(string(set)) == "1" {
		return nil, fmt.Errorf("this machine forbids it: sudo sysctl %s=0", restriction)
	}
	var maps [][]string
	for _, m := range []struct{ program, file, own string }{
		{"newuidmap", "/etc/subuid", u.Uid}, {"newgidmap", "/etc/subgid", u.Gid},
	} {
		program, err := exec.LookPath(m.program)
		if err != nil {
			return nil, fmt.Errorf("%s is missing: install the package uidmap", m.program)
		}
		text, err := os.ReadFile(m.file)
		if err != nil {
			return nil, err
		}
		first, ok := subordinate(string(text), u)
		if !ok {
			return nil, fmt.Errorf("%s gives %s no %d numbers: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s",
				m.file, u.Username, numbers, u.Username)
		}
		maps = append(maps, []string{program, "0", m.own, "1", "1", first, strconv.Itoa(numbers - 1)})
	}
	return maps, nil
}

// subordinate is the first of enough numbers that a file such as subuid(5) gives a user.
func subordinate(text string, u *user.User) (first string, ok bool) {
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 3 || f[0] != u.Username && f[0] != u.Uid {
			continue
		}
		if count, err := strconv.Atoi(f[2]); err == nil && count >= numbers-1 {
			return f[1], true
		}
	}
	return "", false
}
