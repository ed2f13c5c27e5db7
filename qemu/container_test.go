package qemu

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/qemu/scenario"
)

// holder starts a process in a network namespace of its own.
func holder(t *testing.T, ctx context.Context) int {
	t.Helper()
	cmd := exec.CommandContext(ctx, needs.Program(t, "unshare"), "--net", "sh", "-c", "ip link set lo up; echo; exec sleep 60")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	_, err = out.Read(make([]byte, 1))
	require.NoError(t, err)
	return cmd.Process.Pid
}

// A container's ports are reached from outside, what listens on its loopback interface is not, and peers reach each other.
func TestContainerNetwork(t *testing.T) {
	needs.Root(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	lan := &LAN{}
	var pids []int
	var networks []*network
	for i := range 2 {
		pid := holder(t, ctx)
		n, err := newNetwork(ctx, pid, lan, i+1)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, n.close()) })
		pids, networks = append(pids, pid), append(networks, n)
	}
	inside, err := os.Open(filepath.Join("/proc", strconv.Itoa(pids[0]), "ns/net"))
	require.NoError(t, err)
	defer inside.Close()
	for address, want := range map[string]bool{"0.0.0.0:81": true, "127.0.0.1:82": false} {
		l := listenIn(t, inside, address)
		conn, err := networks[0].dial(ctx, l.Addr().(*net.TCPAddr).Port)
		require.Equal(t, want, err == nil, "%s: %v", address, err)
		if conn != nil {
			require.NoError(t, conn.Close())
		}
	}
	for i, pid := range pids {
		require.NoError(t, inNamespace(ctx, filepath.Join("/proc", strconv.Itoa(pid), "ns/net"),
			"ip address add 10.9.0."+strconv.Itoa(i+1)+"/24 dev lan", "ip link set lan up"))
	}
	listenIn(t, inside, "10.9.0.1:83")
	peer, err := os.Open(filepath.Join("/proc", strconv.Itoa(pids[1]), "ns/net"))
	require.NoError(t, err)
	defer peer.Close()
	conn, err := dialIn(ctx, peer, "10.9.0.1:83")
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}

// listenIn listens in a network namespace.
func listenIn(t *testing.T, namespace *os.File, address string) net.Listener {
	t.Helper()
	type result struct {
		l   net.Listener
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread()
		err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET)
		if err != nil {
			done <- result{nil, err}
			return
		}
		l, err := net.Listen("tcp4", address)
		done <- result{l, err}
	}()
	r := <-done
	require.NoError(t, r.err)
	t.Cleanup(func() { _ = r.l.Close() })
	return r.l
}

func TestContainerCgroup(t *testing.T) {
	needs.Root(t)
	dir, err := newCgroup()
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "below"), 0o755))
	require.NoError(t, removeCgroup(dir))
	require.NoDirExists(t, dir)
	require.NoError(t, removeCgroup(dir), "once more")
}

func TestContainerRefusals(t *testing.T) {
	c := &Container{}
	for _, start := range []scenario.Start{{Clock: time.Now()}, {USB: true}, {Watchdog: true}, {WriteLog: true}} {
		require.EqualError(t, c.Start(t.Context(), start), "machine container has no clock, USB, watchdog or log of writes")
	}
	require.EqualError(t, c.Plug(t.Context(), nil), "machine container has no USB")
	require.ErrorIs(t, c.Cut(t.Context(), true, 0), errOff)
	_, err := c.Ended(t.Context(), 0)
	require.ErrorIs(t, err, errOff)
	c.cmd = &exec.Cmd{}
	require.EqualError(t, c.Cut(t.Context(), true, 0), "machine container has no cache of a drive to lose")
}
