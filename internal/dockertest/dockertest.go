// Package dockertest starts Docker daemons for tests, each with its own data directory and without a network.
package dockertest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// Daemon is a Docker daemon that a test starts, without network for its containers.
type Daemon struct {
	Host string // for DOCKER_HOST
	Data string // its data directory

	t   *testing.T
	run string
	cmd *exec.Cmd
}

// treeVariable is the environment variable with the directory of a Debian tree whose Docker is started instead of this
// machine's, such as one that mmdebstrap --variant=extract --include=docker.io made.
const treeVariable = "PKBUILD_TEST_DOCKER_TREE"

// enter is a shell script that runs the dockerd of a tree, $0, with two directories of this machine and the arguments that
// follow them.
const enter = `
mount --bind "$0" "$0"
for dir in /proc /sys /dev "$1" "$2"; do
	mkdir -p "$0$dir"
	mount --rbind "$dir" "$0$dir"
done
shift 2
cd "$0"
mkdir -p .old
pivot_root . .old
cd /
exec /usr/sbin/dockerd "$@"
`

// Need skips the test if Docker cannot be started here; in strict mode it fails the test.
func Need(t *testing.T) {
	t.Helper()
	needs.Root(t)
	for _, program := range []string{"dockerd", "docker", "containerd", "runc"} {
		needs.Program(t, program)
	}
}

// Start starts a Docker daemon with the given data directory, and stops it at the end of the test.
func Start(t *testing.T, data string) *Daemon {
	t.Helper()
	Need(t)
	run, err := os.MkdirTemp("", "pkctl-dockerd-") // a socket has a short path
	require.NoError(t, err)
	d := &Daemon{Host: "unix://" + filepath.Join(run, "sock"), Data: data, t: t, run: run}
	t.Cleanup(func() {
		d.removeNetworks()
		d.Stop()
		if text, err := os.ReadFile(filepath.Join(run, "log")); t.Failed() && err == nil {
			t.Logf("%s\n%s", d.cmd, text)
		}
		_ = unix.Unmount(filepath.Join(run, "exec/netns/default"), 0) // mounted for containers in the host's network
		require.NoError(t, os.RemoveAll(run))
	})
	d.Start()
	return d
}

// Start starts the daemon, or starts it again after Stop, and waits until it answers. The test fails if that takes more than
// a minute.
func (d *Daemon) Start() {
	d.t.Helper()
	in := func(name string) string { return filepath.Join(d.run, name) }
	require.NoError(d.t, os.MkdirAll(d.Data, 0o710))
	log, err := os.OpenFile(in("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(d.t, err)
	require.NoError(d.t, os.WriteFile(in("config"), []byte("{}"), 0o600))
	d.cmd = exec.Command("dockerd")
	if tree := os.Getenv(treeVariable); tree != "" {
		d.cmd = exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-ec", enter, tree, d.run, d.Data)
	}
	d.cmd.Args = append(d.cmd.Args, "--data-root", d.Data, "--exec-root", in("exec"), "--pidfile", in("pid"), "--config-file", in("config"),
		"--host", d.Host, "--bridge", "none", "--iptables=false", "--ip6tables=false", "--storage-driver", "overlay2")
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	require.NoError(d.t, errors.Join(d.cmd.Start(), log.Close()))
	require.Eventually(d.t, func() bool {
		return exec.Command("docker", "--host", d.Host, "version").Run() == nil
	}, time.Minute, 100*time.Millisecond, "start of dockerd")
}

// removeNetworks removes the daemon's networks, whose bridges would outlive it, and the containers in them.
func (d *Daemon) removeNetworks() {
	if !d.running() {
		return
	}
	const remove = `docker ps --all --quiet | xargs --no-run-if-empty docker rm --force && docker network prune --force`
	cmd := exec.Command("sh", "-c", remove)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+d.Host)
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Errorf("remove the networks of the test's Docker: %v: %s", err, out)
	}
}

func (d *Daemon) running() bool { return d.cmd != nil && d.cmd.ProcessState == nil }

// Stop ends the daemon by SIGTERM and waits for its end. It does nothing if the daemon does not run.
func (d *Daemon) Stop() {
	if !d.running() {
		return
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have exited
	_ = d.cmd.Wait()                          // errors are in the log
}

// Run runs a docker command against the daemon, with in as its standard input, and returns its standard output. If the
// command fails, the test fails with its standard error.
func (d *Daemon) Run(in []byte, args ...string) string {
	d.t.Helper()
	cmd := exec.CommandContext(d.t.Context(), "docker", append([]string{"--host", d.Host}, args...)...)
	var errs strings.Builder
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &errs
	out, err := cmd.Output()
	require.NoError(d.t, err, "%s: %s", cmd, errs.String())
	return string(out)
}
