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

// rebooted is the exit code of systemd-nspawn for a container that requested a reboot.
const rebooted = 133

// boots is a script that boots a root file system with this machine's systemd and the units of pkctl. The files in the
// directory lib are laid over /usr in a mount namespace of its own.
const boots = `
mount -t tmpfs tmpfs /run
mkdir upper work
cp -r lib/. upper
mount -t overlay -o lowerdir=/usr,upperdir=$PWD/upper,workdir=$PWD/work overlay root/usr
exec systemd-nspawn --quiet --directory=root --register=no --keep-unit --private-network --link-journal=no --console=pipe --boot \
	systemd.log_target=console </dev/null
`

// fixtures are the files of the root file system beside /usr: pkinit's report of an attempt at stage 2, a slow service, and
// one that powers off once the stage is applied.
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

// bootRoot boots with a program as pkctl and a health check, and returns the exit code of systemd-nspawn and the root.
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
	put("lib/local/sbin/docker", "#!/bin/sh\n") // a Docker without containers
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

// TestBoot boots with systemd: the stage is applied and judged without a dependency cycle of units, and a bad verdict
// requests a reboot.
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
		// The device is switched off before a verdict.
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

// compile builds pkctl and returns the content of the binary.
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
