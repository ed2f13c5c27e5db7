package testscripts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/qemu"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// importUnit makes a container's image of one file, before the stage is applied.
const importUnit = `[Unit]
After=docker.service
Requires=docker.service
Before=pkctl-apply.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'tar --create --directory=/usr/libexec/fallback main | docker import - example.org/main:1'
[Install]
WantedBy=multi-user.target
`

// app is a compose file, of an app that tells which stage it is of.
const app = `services:
  main:
    image: example.org/%s
    command: [/main]
    network_mode: none
    environment: {STAGE: "%d"}
    healthcheck: {test: [CMD, /main, healthy], interval: 1s, retries: 60}
`

// packageOf is a package of one compose file.
const packageOf = "package: {description: an app}\ndeployment: {compose-files: [compose.yml]}\n"

// putStage writes a bundle of two apps, one of whose images may be one that is nowhere.
func putStage(t *testing.T, dir string, n int, program, other string) {
	for name, text := range map[string]string{
		"forklift-bundle.yml": "forklift-version: v0.8.0-alpha.6\npallet: {path: example.org/pallet, version: v1.0.0, clean: true}\n" +
			"deploys: {main: {package: /main}, other: {package: /other}}\n",
		"packages/main/forklift-package.yml":                     packageOf,
		"packages/main/compose.yml":                              fmt.Sprintf(app, "main:1", n),
		"packages/other/forklift-package.yml":                    packageOf,
		"packages/other/compose.yml":                             fmt.Sprintf(app, other, n),
		"exports/overlays/etc/stage":                             fmt.Sprintf("%d\n", n),
		"exports/overlays/usr/lib/systemd/system/import.service": importUnit,
		"exports/overlays/usr/libexec/fallback/main":             program,
	} {
		file := filepath.Join(dir, fmt.Sprint(n), name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), map[bool]os.FileMode{true: 0o755, false: 0o644}[text == program]))
	}
	wants := filepath.Join(dir, fmt.Sprint(n), "exports/overlays/usr/lib/systemd/system/multi-user.target.wants")
	require.NoError(t, os.Mkdir(wants, 0o755))
	require.NoError(t, os.Symlink("../import.service", filepath.Join(wants, "import.service")))
}

// putStore writes the file that names the stages.
func putStore(t *testing.T, dir, staged string) {
	t.Helper()
	file := filepath.Join(dir, "forklift-stage-store.yml")
	require.NoError(t, os.WriteFile(file, []byte("forklift-version: v0.7.0\nstaged: "+staged+"\n"), 0o644))
}

// appProgram is what the containers of the stages run, for arm64.
func appProgram(t *testing.T) string {
	t.Helper()
	binary, err := os.ReadFile(deviceProgram(t, "./testdata/fallback"))
	require.NoError(t, err)
	return string(binary)
}

// deviceProgram compiles a program of the tests for arm64.
func deviceProgram(t *testing.T, pkg string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), filepath.Base(pkg))
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=arm64")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return file
}

// bootToReboot boots an image until the guest reboots, which ends the machine. What the probe had said by then does not
// matter: the disk tells.
func bootToReboot(t *testing.T, img string) {
	t.Helper()
	var console strings.Builder
	_, err := qemu.Boot(t.Context(), img, qemu.Options{Persist: true, Console: &console})
	t.Logf("the boot that ends by a reboot: %v", err)
	require.Contains(t, console.String(), "select-stage: done")
}

// intoImage puts the stages in a directory, and the file that names them, into the store of an image.
func intoImage(t *testing.T, img, dir string) {
	var commands strings.Builder
	fmt.Fprintln(&commands, "cd /var/lib/forklift/stages\nrm forklift-stage-store.yml")
	require.NoError(t, filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		to := strings.TrimPrefix(name, dir+"/")
		switch {
		case err != nil || name == dir:
			return err
		case e.IsDir():
			fmt.Fprintln(&commands, "mkdir", to)
		case e.Type() == os.ModeSymlink:
			target, err := os.Readlink(name)
			fmt.Fprintln(&commands, "symlink", to, target)
			return err
		default:
			fmt.Fprintln(&commands, "write", name, to)
		}
		return nil
	}))
	file := filepath.Join(t.TempDir(), "commands")
	require.NoError(t, os.WriteFile(file, []byte(commands.String()), 0o644))
	debugfs(t, img, file)
}

// debugfs changes the root file system of an image by the commands in a file, each of which has to succeed.
func debugfs(t *testing.T, img, commands string) {
	t.Helper()
	out := tool(t, "debugfs", "-w", "-f", commands, fmt.Sprintf("%s?offset=%d", img, rootStart))
	for line := range strings.Lines(out) {
		require.Regexp(t, "^(debugfs|Allocated inode: |$)", strings.TrimSpace(line), "it complains")
	}
}

// TestFallback: a stage is next one of whose apps has no image. Its boot ends by a reboot, and the next boot starts with
// the proven stage: its files, and its containers, in place of those that were started already.
func TestFallback(t *testing.T) {
	needBoots(t)
	img := copyImage(t)
	require.NoError(t, os.Truncate(img, cardSize))
	dir := t.TempDir()
	program := appProgram(t)
	putStage(t, dir, 2, program, "main:1")
	putStage(t, dir, 3, program, "nowhere:1")
	putStore(t, dir, "{next: 3, history: [1, 2], names: {factory-reset: 1}}")
	intoImage(t, img, dir)
	bootToReboot(t, img)
	r := boot(t, img, qemu.Options{Persist: true, Checks: []qemu.Check{script(t, "fallback")}})
	require.Equal(t, report.Choice{Stage: 2, Bundle: "/var/lib/forklift/stages/2", Reason: "stage 2 is the last proven one"},
		r.Report.Choice)
	require.Equal(t, []string{"stage 3 is next but was found bad"}, r.Report.Problems)
	require.Zero(t, r.Checks[0].Code, r.Checks[0].Text)
	t.Log(r.Checks[0].Text)
}
