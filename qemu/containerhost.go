package qemu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Addresses of a container and of the other end of its network.
const (
	containerAddress = "10.0.2.15"
	outsideAddress   = "10.0.2.2"
)

// network connects a container to a network namespace of its own, in which nothing else is, and to the private network of its
// peers. The namespaces last as long as their descriptors.
type network struct{ outside *os.File }

// newNetwork connects the network namespace of a process.
func newNetwork(ctx context.Context, pid int, peers *LAN, member int) (*network, error) {
	outside, err := newNamespace()
	if err != nil {
		return nil, err
	}
	n := &network{outside}
	inside := fmt.Sprintf("/proc/%d/ns/net", pid)
	commands := []string{
		fmt.Sprintf("ip link add outside type veth peer name eth0 netns %d", pid),
		"ip address add " + outsideAddress + "/24 dev outside", "ip link set outside up", "ip link set lo up",
		"ip route add blackhole default", // a container reaches no other machine, and is not told so
	}
	err = inNamespace(ctx, namespacePath(outside), commands...)
	if err == nil {
		err = inNamespace(ctx, inside, "ip address add "+containerAddress+"/24 dev eth0", "ip link set eth0 up",
			"ip route add default via "+outsideAddress)
	}
	if err == nil && peers != nil {
		if err = peers.openBridge(ctx); err == nil {
			err = inNamespace(ctx, namespacePath(peers.bridge),
				fmt.Sprintf("ip link add member%d type veth peer name lan address 52:54:00:00:01:%02x netns %d", member, member, pid),
				fmt.Sprintf("ip link set member%d master bridge up", member))
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect container: %w", err), n.close())
	}
	return n, nil
}

// openBridge makes the bridge of the containers' private network in a namespace of its own.
func (l *LAN) openBridge(ctx context.Context) (err error) {
	if l.bridge != nil {
		return nil
	}
	if l.bridge, err = newNamespace(); err != nil {
		return err
	}
	return inNamespace(ctx, namespacePath(l.bridge), "ip link add bridge type bridge", "ip link set bridge up")
}

func namespacePath(namespace *os.File) string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), namespace.Fd())
}

// newNamespace returns a new network namespace.
func newNamespace() (*os.File, error) {
	var file *os.File
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends in the new namespace
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			file, err = os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		}
		done <- err
	}()
	if err := <-done; err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	return file, nil
}

// inNamespace runs commands in a network namespace.
func inNamespace(ctx context.Context, namespace string, commands ...string) error {
	for _, command := range commands {
		args := append([]string{"--net=" + namespace}, strings.Fields(command)...)
		if out, err := exec.CommandContext(ctx, "nsenter", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", command, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// dial connects to a port of the container from outside.
func (n *network) dial(ctx context.Context, port int) (net.Conn, error) {
	return dialIn(ctx, n.outside, net.JoinHostPort(containerAddress, strconv.Itoa(port)))
}

// dialIn connects to a TCP address from a network namespace.
func dialIn(ctx context.Context, namespace *os.File, address string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // for good: the thread ends in the other namespace
		err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET)
		if err != nil {
			done <- result{nil, fmt.Errorf("enter the network namespace: %w", err)}
			return
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", address)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

func (n *network) close() error {
	if n == nil {
		return nil
	}
	return n.outside.Close()
}

// newCgroup makes a control group for a container.
func newCgroup() (string, error) {
	root := "/sys/fs/cgroup"
	if unified := filepath.Join(root, "unified"); exists(unified) {
		root = unified
	}
	dir, err := os.MkdirTemp(root, "pkbuild-")
	if err != nil {
		return "", fmt.Errorf("make a control group: %w", err)
	}
	return dir, nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// removeCgroup removes a control group with those below it, once their processes have ended.
func removeCgroup(dir string) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		var dirs []string
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, name)
			}
			return nil
		})
		for i := len(dirs) - 1; i >= 0; i-- {
			err = os.Remove(dirs[i])
		}
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("remove control group: %w", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// released waits until no loop device uses a file.
func released(file string) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		used := false
		names, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
		for _, name := range names {
			backing, _ := os.ReadFile(name)
			used = used || strings.TrimSpace(string(backing)) == file
		}
		if !used {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("card %s is still attached to a loop device", file)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
