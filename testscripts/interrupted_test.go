package testscripts

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// essentials is a recipe of few packages, with placeholders for firmware and kernel.
const essentials = `name: small
base: {debian: {suite: trixie}}
layers:
  - files:
      - {target: /boot/vmlinuz-1, content: kernel}
      - {target: /usr/lib/raspi-firmware/start4.elf, content: firmware}
      - {target: /usr/lib/modules/1/modules.alias, content: ""}
      - {target: /usr/lib/modules/1/modules.builtin, content: ""}
      - {target: /usr/lib/modules/1/modules.dep, content: ""}
      - {target: /usr/lib/modules/1/modules.softdep, content: ""}
disk: {boot-size: 256MiB}
`

// builds builds one recipe with the compiled program.
type builds struct {
	t      *testing.T
	bin    string
	recipe string
	debs   map[string]string // digests of the lock's packages, by their paths on a mirror
	mirror string            // "": the machine's
}

// TestInterruptedInEveryPhase interrupts and kills pkbuild in each phase of a build. No process and no incomplete file stays,
// and each build goes on where the one before was interrupted. The last one writes the same image as an undisturbed build,
// which has the lock and its packages and no network.
func TestInterruptedInEveryPhase(t *testing.T) {
	if os.Getuid() != 0 {
		needs.Unavailable(t, "needs root, to cut off the network")
	}
	b := lockedBuilds(t)
	quiet, cache := t.TempDir(), t.TempDir()
	b.fillCache(quiet)
	b.serve(filepath.Join(quiet, "debs"))
	want := t.TempDir()
	cmd := b.image(quiet, want)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", cmd, output)

	for _, phase := range []struct{ name, step, message, option string }{
		{"resolving", "debian", "resolving packages", "--no-lock"},
		{"fetching", "debian", "downloaded ", "--locked"},
		{"unpacking", "debian", "unpacked ", "--locked"},
		{"toolbox", "debian", "running preinst scripts", "--locked"},
		{"configuring", "debian", "Setting up ", "--locked"},
		{"storing", "debian", "storing the layer", "--locked"},
		{"writing the disk", "disk", "", "--locked"},
	} {
		for _, how := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
			t.Run(phase.name+" "+how.String(), func(t *testing.T) {
				b := b
				b.t = t
				out := t.TempDir()
				b.interrupt(b.image(cache, out, "--json", phase.option), how, func(e event) bool {
					return e.Step == phase.step && e.State == "running" && strings.HasPrefix(e.Message, phase.message)
				})
				require.Eventually(t, func() bool { return len(processesUsing(t, cache)) == 0 }, 20*time.Second, 10*time.Millisecond,
					"processes that still use the cache: %s", processesUsing(t, cache))
				require.NoFileExists(t, filepath.Join(out, "small.img"))
			})
		}
	}
	got := t.TempDir()
	output, err = b.image(cache, got).CombinedOutput()
	require.NoError(t, err, string(output))
	require.Contains(t, string(output), "debian: reused from the cache")
	require.Equal(t, sum(t, filepath.Join(want, "small.img")), sum(t, filepath.Join(got, "small.img")))
	require.Equal(t, filesBelow(t, want), filesBelow(t, got))
	for _, dir := range []string{"debs", "layers", "scratch"} {
		require.Empty(t, except(filesBelow(t, filepath.Join(cache, dir)), filesBelow(t, filepath.Join(quiet, dir))), dir)
	}
	require.NoError(t, os.RemoveAll(cache), "no mount keeps the cache busy")
}

// lockedBuilds returns builds of a new recipe with a lock.
func lockedBuilds(t *testing.T) builds {
	b := builds{t: t, bin: programs(t), recipe: filepath.Join(t.TempDir(), "small.yml"), debs: map[string]string{}}
	require.NoError(t, os.WriteFile(b.recipe, []byte(essentials), 0o644))
	if out, err := exec.Command(filepath.Join(b.bin, "pkbuild"), "lock", b.recipe).CombinedOutput(); err != nil {
		needs.Unavailable(t, "no mirror of Debian: %s", out)
	}
	lock, err := os.ReadFile(b.recipe + ".lock")
	require.NoError(t, err)
	for line := range strings.Lines(string(lock)) {
		if f := strings.Fields(line); len(f) == 7 && (f[0] == "package" || f[0] == "tool") {
			b.debs[f[6]] = f[5]
		}
	}
	require.NotEmpty(t, b.debs)
	return b
}

// image returns the command that builds the image in a directory.
func (b builds) image(cache, dir string, options ...string) *exec.Cmd {
	args := append([]string{"image", b.recipe, "--cache", cache, "-o", filepath.Join(dir, "small.img")}, options...)
	cmd := exec.Command(filepath.Join(b.bin, "pkbuild"), args...)
	if b.mirror != "" {
		cmd.Env = append(os.Environ(), "PKBUILD_MIRROR="+b.mirror)
	}
	return cmd
}

// fillCache puts the packages into a cache: from the user's cache, which other tests fill, or else from the mirror.
func (b builds) fillCache(cache string) {
	debs, missing := filepath.Join(userCache(b.t), "debs"), false
	require.NoError(b.t, os.Mkdir(filepath.Join(cache, "debs"), 0o755))
	for _, digest := range b.debs {
		from, to := filepath.Join(debs, digest+".deb"), filepath.Join(cache, "debs", digest+".deb")
		if _, err := os.Stat(from); err != nil {
			missing = true
		} else if os.Link(from, to) != nil {
			tool(b.t, "cp", from, to)
		}
	}
	if missing {
		out, err := b.image(cache, b.t.TempDir()).CombinedOutput()
		require.NoError(b.t, err, string(out))
		require.NoError(b.t, os.RemoveAll(filepath.Join(cache, "layers")))
	}
}

// serve serves the packages as a mirror. Requests for an index are never answered.
func (b *builds) serve(debs string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/dists/") {
			<-r.Context().Done()
			return
		}
		http.ServeFile(w, r, filepath.Join(debs, b.debs[strings.TrimPrefix(r.URL.EscapedPath(), "/")]+".deb"))
	}))
	b.t.Cleanup(s.Close)
	b.mirror = s.URL
}

type event struct{ Step, State, Message string }

// interrupt starts a build and sends it a signal at an event. The build cannot go on much further, since its pipe for events
// is full soon.
func (b builds) interrupt(cmd *exec.Cmd, how syscall.Signal, at func(event) bool) {
	b.t.Helper()
	r, w, err := os.Pipe()
	require.NoError(b.t, err)
	defer r.Close()
	_, err = unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096)
	require.NoError(b.t, err)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = w, &stderr, &syscall.SysProcAttr{Setpgid: true}
	require.NoError(b.t, cmd.Start())
	require.NoError(b.t, w.Close())
	in := bufio.NewReaderSize(r, 16)
	for found := false; !found; {
		line, err := in.ReadBytes('\n')
		if err != nil {
			b.t.Fatalf("no such event: %v: %s", cmd.Wait(), stderr.String())
		}
		var e event
		require.NoError(b.t, json.Unmarshal(line, &e), string(line))
		found = at(e)
	}
	if how == syscall.SIGINT { // a terminal sends it to all processes of the group
		require.NoError(b.t, syscall.Kill(-cmd.Process.Pid, how))
	} else {
		require.NoError(b.t, cmd.Process.Signal(how))
	}
	_, _ = io.Copy(io.Discard, in)
	err = cmd.Wait()
	if how == syscall.SIGINT {
		require.EqualError(b.t, err, "exit status 1", stderr.String())
		require.Equal(b.t, "pkbuild: interrupted\n", stderr.String())
	} else {
		require.EqualError(b.t, err, "signal: killed")
	}
}

// processesUsing lists processes with a directory among their mounts, arguments or environment variables.
func processesUsing(t *testing.T, dir string) (all []string) {
	names, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	for _, name := range names {
		for _, of := range []string{"mountinfo", "cmdline", "environ"} {
			if text, err := os.ReadFile(filepath.Join(name, of)); err == nil && bytes.Contains(text, []byte(dir)) {
				all = append(all, fmt.Sprintf("%s/%s: %.300q", name, of, text))
			}
		}
	}
	return all
}

// except returns the names that are not among others. Lock files are left out: they stay, and are empty.
func except(names, others []string) []string {
	return slices.DeleteFunc(names, func(name string) bool {
		return slices.Contains(others, name) || strings.HasSuffix(name, ".lock")
	})
}

// filesBelow returns all files below a directory.
func filesBelow(t *testing.T, dir string) (all []string) {
	require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		all = append(all, strings.TrimPrefix(name, dir))
		return nil
	}))
	return all
}
