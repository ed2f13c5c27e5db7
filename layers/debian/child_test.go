package debian

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/internal/needs"
	"github.com/stretchr/testify/require"
)

// child is set in the processes that the tests below start of themselves: what to build.
const child = "PKBUILD_TEST_CHILD"

type childBuild struct {
	Layer                  Layer
	Cache, Scratch, Mirror string
}

// TestChild is no test of its own: it builds, and prints what happens and the digest of the tree.
func TestChild(t *testing.T) {
	spec := os.Getenv(child)
	if spec == "" {
		return
	}
	var b childBuild
	require.NoError(t, json.Unmarshal([]byte(spec), &b))
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt)
	defer stop()
	tree, err := b.Layer.Make(ctx, &layers.Env{Cache: b.Cache, Scratch: b.Scratch, Mirror: b.Mirror, Latest: date,
		Progress: func(p layers.Progress) { fmt.Println(p.Message) }}, nil)
	require.NoError(t, err)
	fmt.Println("digest", digestOf(t, tree))
}

func childSpec(t *testing.T, l Layer, env *layers.Env) string {
	t.Helper()
	spec, err := json.Marshal(childBuild{l, env.Cache, env.Scratch, env.Mirror})
	require.NoError(t, err)
	return child + "=" + string(spec)
}

func startChild(t *testing.T, l Layer, env *layers.Env, attr *syscall.SysProcAttr) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), childSpec(t, l, env))
	cmd.SysProcAttr = attr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	return cmd, out
}

// TestEndedInEveryPhase interrupts and kills processes in the middle of a build. Nothing of them goes on, and in the end
// a build with the same cache and the same scratch directory succeeds.
func TestEndedInEveryPhase(t *testing.T) {
	env := testEnv(t)
	l := testLayer()
	lock := baseLock(t, env, l)
	pkgs := lock.here(env.Mirror)
	p := newPool(filepath.Join(env.Cache, "debs"))
	require.NoError(t, p.fetch(t.Context(), pkgs, func(Package, bool) {}))
	own := *env
	own.Cache = t.TempDir()
	mine := newPool(filepath.Join(own.Cache, "debs"))
	require.NoError(t, os.Mkdir(mine.dir, 0o755))
	for _, pkg := range pkgs[1:] {
		data, err := os.ReadFile(p.path(pkg))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(mine.path(pkg), data, 0o644))
	}
	for _, phase := range []string{"resolving packages", "downloaded ", "unpacked ", "running preinst", "Setting up "} {
		for _, how := range []os.Signal{os.Interrupt, os.Kill} {
			t.Run(phase+how.String(), func(t *testing.T) {
				if l.Lock = lock; phase == "resolving packages" {
					l.Lock = nil
				}
				if err := os.Remove(mine.path(pkgs[0])); phase == "downloaded " {
					require.True(t, err == nil || errors.Is(err, fs.ErrNotExist), err)
				}
				cmd, out := startChild(t, l, &own, nil)
				require.True(t, lineWith(out, phase))
				require.NotEmpty(t, users(t, own.Scratch))
				require.NoError(t, cmd.Process.Signal(how))
				_, _ = io.Copy(io.Discard, out)
				require.Error(t, cmd.Wait())
				require.Eventually(t, func() bool { return len(users(t, own.Scratch)) == 0 }, 20*time.Second, 10*time.Millisecond)
			})
		}
	}
	_, err := l.Make(t.Context(), &own, nil)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(own.Scratch), "nothing is mounted in it any more")
	parts, err := filepath.Glob(filepath.Join(mine.dir, "*.part"))
	require.NoError(t, err)
	require.Empty(t, parts)
}

// here are all packages of a lock, with the places where a mirror has them.
func (lock *Lock) here(mirror string) []Package {
	var out []Package
	for _, p := range append(slices.Clone(lock.Packages), lock.Tools...) {
		out = append(out, p.from(mirror))
	}
	return out
}

func lineWith(r io.Reader, text string) bool {
	for in := bufio.NewScanner(r); in.Scan(); {
		if strings.HasPrefix(in.Text(), text) {
			return true
		}
	}
	return false
}

// TestUserNamespace builds as an ordinary user does, who has numbers of users to give away but is not root.
func TestUserNamespace(t *testing.T) {
	env := testEnv(t)
	l := testLayer()
	l.Lock = baseLock(t, env, l)
	tree, err := l.Make(t.Context(), env, nil)
	require.NoError(t, err)

	const first = 100_000 // of the numbers
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: first, Size: 65536}}
	own := *env
	own.Cache, own.Scratch = t.TempDir(), t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(own.Cache), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(own.Cache, "debs"), 0o755))
	for _, p := range append(l.Lock.Packages, l.Lock.Tools...) {
		for _, suffix := range []string{".deb", ".control.tar", ".data.tar"} {
			data, err := os.ReadFile(filepath.Join(env.Cache, "debs", p.SHA256+suffix))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(own.Cache, "debs", p.SHA256+suffix), data, 0o644))
		}
	}
	require.NoError(t, os.Chown(own.Scratch, first, first))
	cmd, out := startChild(t, l, &own, &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true,
		Credential: &syscall.Credential{},
	})
	text, err := io.ReadAll(out)
	require.NoError(t, err)
	said := strings.Split(string(text), "\n")
	require.NoError(t, cmd.Wait(), strings.Join(said, "\n"))
	require.Contains(t, said, "digest "+digestOf(t, tree))
}

// TestEmulationOfSandboxes builds where each sandbox has to register its emulator for itself.
func TestEmulationOfSandboxes(t *testing.T) {
	env := testEnv(t)
	l := testLayer()
	l.Lock = baseLock(t, env, l)
	out := needs.Binfmt(t, 65536, "TestChild", childSpec(t, l, env))
	require.Contains(t, out, "\nSetting up base-files ")
	require.Contains(t, out, "\ndigest ")
}
