package builder

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// process is the environment variable with the build of a process that the tests below start.
const process = "PKBUILD_TEST_PROCESS"

// TestProcess is started by the tests below: it builds, and prints its events.
func TestProcess(t *testing.T) {
	spec := os.Getenv(process)
	if spec == "" {
		return
	}
	var b struct {
		Plan                       *Plan
		Output, Dir, Cache, Shared string
		Umask                      *int
	}
	require.NoError(t, json.Unmarshal([]byte(spec), &b))
	if b.Umask != nil {
		syscall.Umask(*b.Umask)
	}
	o := options{Workspace{Dir: b.Dir, Caches: Caches{b.Cache, b.Shared}}, b.Output}
	o.Events = func(e Event) {
		fmt.Println("event", e.Step, e.State)
		if e.Step+" "+string(e.State) == os.Getenv(process+"_HOLD") {
			select {} // to be killed
		}
	}
	require.NoError(t, buildImage(t.Context(), b.Plan, o))
}

func start(t *testing.T, p *Plan, o options, hold string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	spec, err := json.Marshal(map[string]any{"Plan": p, "Output": o.Output, "Dir": o.Dir, "Cache": o.Cache})
	require.NoError(t, err)
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestProcess$", "-test.v")
	cmd.Env = append(os.Environ(), process+"="+string(spec), process+"_HOLD="+hold)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	return cmd, bufio.NewScanner(io.Reader(out))
}

// TestTwoBuildsAtOnce: processes that share a cache build each layer once, and the same image.
func TestTwoBuildsAtOnce(t *testing.T) {
	p, o := small(t)
	var all []*bufio.Scanner
	var commands []*exec.Cmd
	var outputs []string
	for i := range 3 {
		o.Output = filepath.Join(t.TempDir(), fmt.Sprintf("%d.img", i))
		outputs = append(outputs, o.Output)
		cmd, out := start(t, p, o, "")
		commands, all = append(commands, cmd), append(all, out)
	}
	made := map[string]int{}
	for i, out := range all {
		var said []string
		for out.Scan() {
			said = append(said, out.Text())
			made[strings.TrimPrefix(out.Text(), "event ")]++
		}
		require.NoError(t, commands[i].Wait(), strings.Join(said, "\n"))
	}
	require.Equal(t, 1, made["base done"])
	require.Equal(t, 2, made["base cached"])
	require.Equal(t, 1, made["files done"])
	require.Equal(t, 3, made["disk done"])
	first, err := os.ReadFile(outputs[0])
	require.NoError(t, err)
	for _, name := range outputs[1:] {
		other, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, first, other)
	}
}

// TestKilledBuild: a process that is killed at any step leaves no image, and does not disturb the next build.
func TestKilledBuild(t *testing.T) {
	p, o := small(t)
	_, err := run(t, t.Context(), p, o)
	require.NoError(t, err)
	want, err := os.ReadFile(o.Output)
	require.NoError(t, err)
	for _, hold := range []string{"base started", "base done", "files started", "disk started", "disk running"} {
		t.Run(hold, func(t *testing.T) {
			t.Parallel()
			o := o
			o.Cache, o.Output = t.TempDir(), filepath.Join(t.TempDir(), "small.img")
			cmd, out := start(t, p, o, hold)
			for out.Scan() && out.Text() != "event "+hold {
			}
			require.NoError(t, cmd.Process.Kill())
			require.Error(t, cmd.Wait())
			require.NoFileExists(t, o.Output)
			_, err := run(t, t.Context(), p, o)
			require.NoError(t, err)
			got, err := os.ReadFile(o.Output)
			require.NoError(t, err)
			require.Equal(t, want, got)
			require.NoFileExists(t, o.Output+".tmp")
			pruned, err := Cache{o.Cache}.Prune(t.Context(), -1, false)
			require.NoError(t, err)
			require.Empty(t, pruned.Removed)
			require.Empty(t, pruned.InUse, "a dead process holds no lock")
		})
	}
}
