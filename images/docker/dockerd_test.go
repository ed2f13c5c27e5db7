package docker

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/images"
)

// lack ends a test that cannot run here, or fails it where all must run.
func lack(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("PKBUILD_TEST_STRICT") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// daemon is a Docker with a data directory of its own, without a network.
type daemon struct {
	t      *testing.T
	data   string
	socket string
	cmd    *exec.Cmd
}

// startDocker starts a Docker over a directory. It ends with the test, or by stop.
func startDocker(t *testing.T, data string) *daemon {
	t.Helper()
	if os.Getuid() != 0 {
		lack(t, "Docker needs root")
	}
	for _, program := range []string{"dockerd", "docker", "containerd", "runc"} {
		if _, err := exec.LookPath(program); err != nil {
			lack(t, "%v: install docker.io", err)
		}
	}
	run, err := os.MkdirTemp("", "pkbuild-dockerd-") // a socket has a short path
	require.NoError(t, err)
	log, err := os.Create(filepath.Join(run, "log"))
	require.NoError(t, err)
	d := &daemon{t: t, data: data, socket: "unix://" + filepath.Join(run, "sock")}
	d.cmd = exec.Command("dockerd", "--data-root", data, "--exec-root", filepath.Join(run, "exec"), "--pidfile", filepath.Join(run, "pid"),
		"--config-file", filepath.Join(run, "none"), "--host", d.socket, "--bridge", "none", "--iptables=false", "--ip6tables=false",
		"--storage-driver", "overlay2", "--log-driver", "json-file")
	require.NoError(t, os.WriteFile(filepath.Join(run, "none"), []byte("{}"), 0o644))
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	require.NoError(t, d.cmd.Start())
	t.Cleanup(func() {
		d.stop()
		text, _ := os.ReadFile(log.Name())
		if t.Failed() {
			t.Logf("%s\n%s", d.cmd, text)
		}
		require.NoError(t, errors.Join(log.Close(), os.RemoveAll(run)))
	})
	require.Eventually(t, func() bool {
		return exec.Command("docker", "--host", d.socket, "version").Run() == nil
	}, time.Minute, 100*time.Millisecond, "Docker does not start")
	return d
}

// stop has Docker end and waits for it.
func (d *daemon) stop() {
	if d.cmd.ProcessState != nil {
		return
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	_ = d.cmd.Wait()                          // what it says of its end is in its log
}

// docker runs a command against the daemon and returns what it prints.
func (d *daemon) docker(args ...string) string { return string(d.piped(nil, args...)) }

// piped is docker with a standard input.
func (d *daemon) piped(in []byte, args ...string) []byte {
	d.t.Helper()
	cmd := exec.CommandContext(d.t.Context(), "docker", append([]string{"--host", d.socket}, args...)...)
	cmd.Stdin = bytes.NewReader(in)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	require.NoError(d.t, err, "%s: %s", cmd, errs.String())
	return out
}

// load has the daemon unpack images from an archive.
func (d *daemon) load(s shelf, all ...images.Image) {
	d.t.Helper()
	d.piped(savedOf(d.t, s, all...), "load")
}

// savedOf is an archive of images as `docker save` writes it.
func savedOf(t *testing.T, s shelf, all ...images.Image) []byte {
	t.Helper()
	type saved struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	var manifest []saved
	files := map[string][]byte{}
	for _, image := range all {
		m := saved{Config: image.ID().Encoded() + ".json", RepoTags: image.Names}
		files[m.Config] = image.Config
		for _, l := range image.Layers {
			name := l.DiffID.Encoded() + "/layer.tar"
			var err error
			files[name], err = os.ReadFile(s.path(l.DiffID))
			require.NoError(t, err)
			m.Layers = append(m.Layers, name)
		}
		manifest = append(manifest, m)
	}
	var err error
	files["manifest.json"], err = json.Marshal(manifest)
	require.NoError(t, err)
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, content := range files {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}))
		_, err := w.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// diffDir is where the daemon has what a layer changes.
func (d *daemon) diffDir(l *chained) string {
	d.t.Helper()
	id, err := os.ReadFile(filepath.Join(d.data, "image/overlay2/layerdb/sha256", l.id.Encoded(), "cache-id"))
	require.NoError(d.t, err)
	return filepath.Join(d.data, "overlay2", string(id), "diff")
}

// names lists a directory.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	out := []string{}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// numbered is n archives of one file each.
func numbered(t *testing.T, n int) [][]byte {
	var out [][]byte
	for i := range n {
		out = append(out, archiveOf(t, file(fmt.Sprintf("layers/%d", i), fmt.Sprint(i))))
	}
	return out
}
