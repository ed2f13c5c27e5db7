package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/stages"
)

// rebooted is the exit code of systemd-nspawn after a container that asked for a reboot.
const rebooted = 133

// boots boots a root with this machine's systemd and the units of pkctl, in a namespace that ends with it: a file in the
// directory lib goes over /usr.
const boots = `
mount -t tmpfs tmpfs /run
mkdir upper work
cp -r lib/. upper
mount -t overlay -o lowerdir=/usr,upperdir=$PWD/upper,workdir=$PWD/work overlay root/usr
exec systemd-nspawn --quiet --directory=root --register=no --keep-unit --private-network --link-journal=no --console=pipe --boot \
	systemd.log_target=console </dev/null
`

// fixtures are what a root needs beside /usr: pkinit's report of an attempt at stage 2, a service that takes its time, and
// one that ends it all once the stage is applied, if it still can.
var fixtures = map[string]string{
	"etc/machine-id":           "0123456789abcdef0123456789abcdef\n",
	"etc/os-release":           "ID=debian\n",
	"etc/passwd":               "root:x:0:0::/root:/bin/sh\n",
	"etc/group":                "root:x:0:\n",
	"var/lib/overlays/.exists": "",
	"var/lib/boot.json":        `{"version": 1, "choice": {"stage": 2, "attempt": 1, "reason": "stage 2 is next, attempt 1 of 3"}}`,
	"var/lib/forklift/stages/forklift-stage-store.yml": "staged: {next: 2, history: [1]}\n",
	"var/lib/forklift/stages/boot-state.json":          `{"version": 1, "stages": {"2": {"attempts": 1, "result": "pending"}}}`,
	"var/lib/forklift/stages/1/forklift-bundle.yml":    "forklift-version: v0.8.0-alpha.6\n",
	"var/lib/forklift/stages/2/forklift-bundle.yml":    "forklift-version: v0.8.0-alpha.6\n",
	"etc/systemd/system/pkinit.service": `[Unit]
DefaultDependencies=no
Before=sysinit.target pkctl-apply.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -euc 'mkdir -p /run/pkinit /run/forklift/stages; cp /var/lib/boot.json /run/pkinit; cp -r /var/lib/forklift/stages/2 /run/forklift/stages/current'
`,
	"etc/systemd/system/slow.service": `[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'sleep 1; : >/var/lib/slow'
`,
	"etc/systemd/system/end.service": `[Unit]
DefaultDependencies=no
After=pkctl-apply.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'systemctl is-active boot-complete.target multi-user.target pkctl-apply.service >/var/lib/active; systemctl poweroff'
`,
}

// bootRoot boots with a check of health, and returns how it ended and the root. The program
// is pkctl.
func bootRoot(t *testing.T, program, check string) (code int, root string) {
	dir := t.TempDir()
	put := func(name, text string) {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o755))
	}
	for name, text := range fixtures {
		put(filepath.Join("root", name), text)
	}
	put("root/etc/pkctl/health.d/check", check)
	put("lib/local/sbin/docker", "#!/bin/sh\n") // it has no containers
	require.NoError(t, os.CopyFS(filepath.Join(dir, "lib"), os.DirFS(filepath.Join(unitFiles, "usr"))))
	put("lib/bin/pkctl", program)
	root = filepath.Join(dir, "root")
	for _, name := range []string{"usr", "dev", "proc", "sys", "run", "tmp", "root"} {
		require.NoError(t, os.Mkdir(filepath.Join(root, name), 0o755))
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		require.NoError(t, os.Symlink("usr/"+name, filepath.Join(root, name)))
	}
	units := filepath.Join(root, "etc/systemd/system")
	require.NoError(t, os.Symlink("/usr/lib/systemd/system/multi-user.target", filepath.Join(units, "default.target")))
	require.NoError(t, os.Mkdir(filepath.Join(units, "multi-user.target.wants"), 0o755))
	for _, name := range []string{"pkinit", "slow", "end"} {
		require.NoError(t, os.Symlink("../"+name+".service", filepath.Join(units, "multi-user.target.wants", name+".service")))
	}
	cmd := exec.CommandContext(t.Context(), "timeout", "--kill-after=5", "60", "unshare", "--mount", "--propagation=private", "sh", "-euc", boots)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	t.Cleanup(func() {
		if t.Failed() {
			state, _ := os.ReadFile(filepath.Join(root, "var/lib/forklift/stages", stages.StateFile))
			t.Logf("%s\n%s", out, state)
		}
	})
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return cmd.ProcessState.ExitCode(), root
}

// TestBoot boots with systemd: the stage is applied and judged without anything waiting for it in turn, and after a bad
// verdict the device asks for a reboot.
func TestBoot(t *testing.T) {
	needs.Root(t)
	needs.Program(t, "systemd-nspawn")
	program := compile(t)
	for check, want := range map[string]struct {
		code   int
		staged stages.Staged
		active string
	}{
		"#!/bin/sh\ntest -e /var/lib/slow\n": {0, stages.Staged{Next: 2, History: []int{1, 2}}, "active\nactive\nactive\n"},
		// Somebody switches the device off: there is no verdict.
		"#!/bin/sh\nsystemctl poweroff\nsleep 1\nexit 1\n": {0, stages.Staged{Next: 2, History: []int{1}}, ""},
		"#!/bin/sh\nexit 1\n":                              {rebooted, stages.Staged{Next: 2, NextFailed: true, History: []int{1}}, ""},
	} {
		code, root := bootRoot(t, program, check)
		require.Equal(t, want.code, code)
		snapshot, err := stages.Load(os.DirFS(filepath.Join(root, "var/lib/forklift/stages")))
		require.NoError(t, err)
		require.Equal(t, want.staged, snapshot.Staged)
		if want.active != "" {
			active, err := os.ReadFile(filepath.Join(root, "var/lib/active"))
			require.NoError(t, err)
			require.Equal(t, want.active, string(active))
		}
	}
}

// compile builds pkctl and returns what it is.
func compile(t *testing.T) string {
	file := filepath.Join(t.TempDir(), "pkctl")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", file, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	program, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(program)
}
