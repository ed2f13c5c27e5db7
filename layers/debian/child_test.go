package debian

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers"
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
	fmt.Println("day", dayOf(t, tree))
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

// TestUserNamespace builds as an ordinary user does, who has numbers of users to give away but is not root.
func TestUserNamespace(t *testing.T) {
	t.Parallel()
	env := testEnv(t)
	l := testLayer()
	l.Lock = baseLock(t, env, l)
	tree := baseTree(t, env, l)

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
	t.Parallel()
	env := testEnv(t)
	l := testLayer()
	l.Lock = baseLock(t, env, l)
	out := needs.Binfmt(t, 65536, "TestChild", childSpec(t, l, env))
	require.Contains(t, out, "\nSetting up base-files ")
	require.Contains(t, out, "\ndigest "+digestOf(t, baseTree(t, env, l)))
}
