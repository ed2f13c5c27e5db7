package sandbox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/fsuser"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// run starts a supervisor, does what it asks for, and waits for it. The changes go to out.
func (s Sandbox) run(ctx context.Context, out *os.File, each func(line string), args []string) (err error) {
	files := filepath.Join(s.Dir, "files")
	if err := os.MkdirAll(files, 0o700); err != nil {
		return err
	}
	first, err := firstID()
	if err != nil {
		return err
	}
	if err := os.Chown(files, int(first), int(first)); err != nil {
		return err
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer ours.Close()
	defer theirs.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer guardDisk(files, cancel)()
	p := &parent{Sandbox: s, first: first, conn: ours}
	defer func() { err = errors.Join(err, p.close()) }()
	cmd := s.command(ctx, files, first, theirs, out)
	var serving errgroup.Group
	err = execute(ctx, cmd, each, func(pid int) {
		_ = theirs.Close() // so that reading ends with the supervisor
		giveOutput(pid, int(first))
		p.dir = filepath.Join("/proc", strconv.Itoa(pid), "cwd")
		serving.Go(func() error {
			defer ours.Close() // so that the supervisor does not wait for an answer that will not come
			return p.serve(ctx, s.job(args))
		})
	})
	if p.dir == "" && err != nil && ctx.Err() == nil {
		return fmt.Errorf("create the namespaces of a sandbox: %w%s", errors.Unwrap(err), namespaceHint(err))
	}
	if e := serving.Wait(); e != nil && ctx.Err() == nil {
		return e // of which err is but a consequence
	}
	if err == nil && !p.asked {
		return fmt.Errorf("%s did not start as a supervisor: its main function has to call sandbox.Main", os.Args[0])
	}
	return err
}

// giveOutput makes the standard output and error of a process belong to a user, who can then open /dev/stdout and /dev/stderr.
// Where that fails, scripts can still write to them as they are.
func giveOutput(pid, user int) {
	for fd := 1; fd <= 2; fd++ {
		_ = os.Chown(fmt.Sprintf("/proc/%d/fd/%d", pid, fd), user, user)
	}
}

// namespaceHint tells what to do if namespaces cannot be created.
func namespaceHint(err error) string {
	switch {
	case errors.Is(err, syscall.EPERM):
		return " (a process in a chroot may have no user namespace: use a container, or change its root by pivot_root)"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EUSERS):
		return " (sudo sysctl user.max_user_namespaces=10000)"
	case errors.Is(err, syscall.EINVAL):
		return " (the kernel lacks CONFIG_USER_NS)"
	}
	return ""
}

// command starts this program again as a supervisor. The argument keeps a test that does not call Main from running its
// tests. As a user that the namespace does not know, the program may be executed like this one; to become root in the
// namespace, it takes all capabilities.
func (s Sandbox) command(ctx context.Context, dir string, first uint32, socket, out *os.File) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-test.run=^$")
	cmd.Args[0] = supervisorName
	cmd.Dir = dir
	cmd.ExtraFiles = []*os.File{socket, out}
	// Commands cannot read the supervisor's environment, which holds nothing of ours nevertheless.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin:/usr/bin:/bin"}
	namespaces := uintptr(syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC |
		syscall.CLONE_NEWUTS | syscall.CLONE_NEWCGROUP)
	if !s.Network {
		namespaces |= syscall.CLONE_NEWNET
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: namespaces, Setsid: true, AmbientCaps: allCapabilities(),
		UidMappings: idMap(first), GidMappings: idMap(first), GidMappingsEnableSetgroups: true,
	}
	return cmd
}

func allCapabilities() []uintptr {
	last, err := lastCapability()
	if err != nil {
		last = unix.CAP_LAST_CAP
	}
	var all []uintptr
	for c := range last + 1 {
		all = append(all, uintptr(c))
	}
	return all
}

// parent is the supervisor's parent process.
type parent struct {
	Sandbox
	first uint32
	dir   string // the supervisor's working directory, in which its mounts are seen
	conn  io.ReadWriter

	asked     bool // the supervisor has made a request
	listener  net.Listener
	listening errgroup.Group
}

// serve sends the job and answers the supervisor's requests until it ends.
func (p *parent) serve(ctx context.Context, j job) error {
	out := json.NewEncoder(p.conn)
	if err := out.Encode(j); err != nil {
		return nil // it has ended, and says why
	}
	for in := json.NewDecoder(bufio.NewReader(p.conn)); ; {
		var r request
		if err := in.Decode(&r); err != nil {
			return nil // it has ended
		}
		p.asked = true
		if err := p.grant(ctx, r); err != nil {
			return err
		}
		if err := out.Encode(answer{}); err != nil {
			return nil
		}
	}
}

func (p *parent) grant(ctx context.Context, r request) error {
	switch {
	case r.Extract != "":
		return p.extract(ctx, r.Extract)
	case r.Listen:
		return p.listen()
	case r.Warning != "":
		if p.Warn != nil {
			p.Warn(r.Warning)
		}
		return nil
	}
	return errors.New(r.Failure)
}

// extract writes a tree into a directory of the supervisor's. A tree is copied, never shared, as the layers of an
// overlay must not change.
func (p *parent) extract(ctx context.Context, name string) error {
	t := map[string]*tree.Tree{"tools": p.Tools, "tree": p.Tree, "aside": p.Aside}[name]
	if t == nil {
		return fmt.Errorf("the sandbox asked for %q, which is none of its trees", name)
	}
	o := tree.ExtractOptions{FirstID: p.first, EmptyDevices: true}
	if err := t.Extract(ctx, filepath.Join(p.dir, name), o); err != nil {
		return fmt.Errorf("write the tree: %w", err)
	}
	return nil
}

// listen creates the socket for Serve, to which every process in the sandbox may connect.
func (p *parent) listen() (err error) {
	name := filepath.Join(p.dir, "aside", filepath.Base(SocketFile))
	err = fsuser.Do(p.first, func() error {
		if p.listener, err = net.Listen("unix", name); err != nil {
			return err
		}
		return os.Chmod(name, 0o666)
	})
	if err != nil {
		return err
	}
	p.listening.Go(func() error { return p.Serve(p.listener) })
	return nil
}

func (p *parent) close() error {
	if p.listener == nil {
		return nil
	}
	_ = p.listener.Close() // the socket is gone with the sandbox
	return p.listening.Wait()
}

// socketPair returns the two ends of a connection.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "sandbox"), os.NewFile(uintptr(fds[1]), "sandbox"), nil
}
