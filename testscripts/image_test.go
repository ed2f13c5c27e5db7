package testscripts

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/qemu"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Where the partitions of the default image lie, in bytes.
const (
	bootStart = 4 << 20
	bootSize  = 512 << 20
	rootStart = bootStart + bootSize
)

// image is the image that `make image` built.
func image(t *testing.T) string {
	name := os.Getenv("PKBUILD_TEST_IMAGE")
	if name != "" {
		return name
	}
	needs.Unavailable(t, "PKBUILD_TEST_IMAGE does not name an image: run make test")
	return ""
}

// tool runs a program and returns what it says; it must end with exit code 0.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(needs.Program(t, name), args...)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", cmd, out)
	return string(out)
}

// cut copies a part of a file into a new one, holes as holes.
func cut(t *testing.T, from string, offset, size int64) string {
	to := filepath.Join(t.TempDir(), "part")
	args := []string{"if=" + from, "of=" + to, "bs=4M", "conv=sparse", "status=none", fmt.Sprintf("skip=%d", offset>>22)}
	if size > 0 {
		args = append(args, fmt.Sprintf("count=%d", size>>22))
	}
	tool(t, "dd", args...)
	if size == 0 {
		info, err := os.Stat(from)
		require.NoError(t, err)
		size = info.Size() - offset
	}
	require.NoError(t, os.Truncate(to, size))
	return to
}

func TestOtherToolsAgreeWithTheImage(t *testing.T) {
	img := image(t)
	t.Run("sfdisk", func(t *testing.T) {
		require.Contains(t, tool(t, "sfdisk", "--verify", img), "No errors detected.")
		var table struct {
			PartitionTable struct {
				Label      string
				ID         string
				Partitions []struct {
					Start, Size int64
					Type        string
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(tool(t, "sfdisk", "--json", img)), &table))
		p := table.PartitionTable
		require.Equal(t, "dos", p.Label)
		require.Equal(t, "0xe85bcfbf", p.ID)
		require.Len(t, p.Partitions, 2)
		require.Equal(t, [3]any{int64(bootStart / 512), int64(bootSize / 512), "c"}, [3]any{p.Partitions[0].Start, p.Partitions[0].Size, p.Partitions[0].Type})
		require.Equal(t, [2]any{int64(rootStart / 512), "83"}, [2]any{p.Partitions[1].Start, p.Partitions[1].Type})
	})
	t.Run("fsck.vfat", func(t *testing.T) {
		out := tool(t, "fsck.vfat", "-n", cut(t, img, bootStart, bootSize))
		require.Regexp(t, `^fsck.fat [^\n]*\n[^\n]*: \d+ files, \d+/\d+ clusters\n$`, out, "it found something to say")
	})
	root := cut(t, img, rootStart, 0)
	t.Run("e2fsck", func(t *testing.T) { requireCleanRoot(t, root) })
	t.Run("kernel", func(t *testing.T) {
		requireQuietMount(t, root)
		requireCleanRoot(t, root)
	})
}

func requireCleanRoot(t *testing.T, root string) {
	out := tool(t, "e2fsck", "-fn", root)
	require.Regexp(t, `rootfs: \d+/\d+ files \(0\.0% non-contiguous\), \d+/\d+ blocks\n$`, out)
	require.Len(t, strings.Split(strings.TrimSpace(out), "\n"), 7, "it found something to say: %s", out)
}

// requireQuietMount mounts a file system, writes to it, and requires that the kernel has nothing to complain of.
func requireQuietMount(t *testing.T, root string) {
	mark := "test of " + root
	require.NoError(t, os.WriteFile("/dev/kmsg", []byte(mark+"\n"), 0), "the kernel's log")
	dir := filepath.Join(t.TempDir(), "mnt")
	require.NoError(t, os.Mkdir(dir, 0o755))
	// In a namespace of its own, so that nobody else keeps the mount alive.
	out := tool(t, "unshare", "--mount", "sh", "-euc", `
mount -o loop "$1" "$2"
findmnt -n -o SOURCE "$2"
find "$2" -xdev >/dev/null
date >"$2/written"
sync -f "$2/written"
rm "$2/written"
umount "$2"`, "sh", root, dir)
	device := strings.TrimPrefix(strings.TrimSpace(out), "/dev/")
	require.Regexp(t, "^loop[0-9]+$", device)
	_, since, found := strings.Cut(tool(t, "dmesg"), mark+"\n")
	require.True(t, found, "the kernel's log does not reach back to the mount")
	mounted := 0
	for line := range strings.Lines(since) {
		if !strings.Contains(line, device) || strings.Contains(line, "detected capacity change from 0 to") {
			continue
		}
		require.Regexp(t, `EXT4-fs \(`+device+`\): (mounted|unmounting) filesystem`, line)
		mounted++
	}
	require.Equal(t, 2, mounted, since)
}

// copyImage copies the image, holes as holes, for a test that writes to it.
func copyImage(t *testing.T) string {
	to := filepath.Join(t.TempDir(), "image.img")
	tool(t, "cp", "--sparse=always", "--reflink=auto", image(t), to)
	return to
}

// boot boots an image and returns what was found. A failed test leaves the files of the run.
func boot(t *testing.T, img string, o qemu.Options) *qemu.Result {
	t.Helper()
	dir, err := os.MkdirTemp("", "pkbuild-test-")
	require.NoError(t, err)
	o.Dir = dir
	r, err := qemu.Boot(t.Context(), img, o)
	t.Cleanup(func() {
		if !t.Failed() {
			require.NoError(t, os.RemoveAll(dir))
			return
		}
		t.Logf("the files of the run are in %s", dir)
		if r != nil {
			t.Logf("to reproduce: cd %s && %s", dir, qemu.Shell(r.Command))
		}
		copyTo(t, filepath.Join(dir, "console.log"))
	})
	require.NoError(t, err)
	return r
}

// copyTo puts a log into the output of a failed test.
func copyTo(t *testing.T, name string) {
	f, err := os.Open(name)
	if err != nil {
		t.Log(err)
		return
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	t.Logf("%s: %v\n%s", name, err, data)
}

// TestImageBoots asks for everything that the first boot of the image must show, through the command.
func TestImageBoots(t *testing.T) {
	img := image(t)
	bin := programs(t)
	cmd := exec.Command(filepath.Join(bin, "pkbuild"), "boot", img, "--json", "--timeout", "10m",
		"--check", "testdata/checks/stage-wins.sh", "--check", "testdata/checks/topics.sh", "--check", "testdata/checks/no-leaks.sh", "--check", "testdata/checks/pkctl.sh",
		"--check", "testdata/checks/apply.sh", "--check", "testdata/checks/grant.sh")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s\n%s", cmd, out)
	var r struct {
		qemu.Result
		Wrong []string
	}
	require.NoError(t, json.Unmarshal(out, &r))
	require.Empty(t, r.Wrong)

	b := r.Report
	require.NotNil(t, b)
	require.True(t, b.Initramfs)
	require.False(t, b.Degraded)
	require.Equal(t, report.Choice{Stage: 1, Bundle: "/var/lib/forklift/stages/1", Reason: b.Choice.Reason}, b.Choice)
	var steps []string
	for _, s := range b.Steps {
		steps = append(steps, fmt.Sprintf("%s %s", s.Name, s.State))
		require.Less(t, s.Seconds, b.Handoff, s.Name)
	}
	require.Equal(t, []string{
		"grow-partition skipped",
		"grow-file-system skipped",
		"reset skipped",
		"revert-overrides skipped",
		"select-stage done",
		"overlay-sysroot done",
		"bindro-run-forklift-stages-current done",
		"overlay-usr done",
		"overlay-etc done",
		"bind-.local-share-forklift-stages@home-pi done",
		"verify done",
		"start-overlaid-units skipped",
	}, steps)
	require.Equal(t, []report.Overlay{overlay("usr", true), overlay("etc", true)}, b.Overlays)
	require.Equal(t, "running", r.System)
	require.Empty(t, r.Failed)
	require.Zero(t, r.Reloads)
	active := map[string]string{}
	for _, u := range r.Units {
		active[u.ID] = u.Active + " " + u.Path
	}
	require.Equal(t, map[string]string{
		controller: "active /usr/lib/systemd/system/" + controller,
		segmenter:  "active /usr/lib/systemd/system/" + segmenter,
	}, active)
	require.Positive(t, r.Seconds.Handoff)
	require.Regexp(t, "^SSH-2.0-OpenSSH_", r.SSH)
}

// The services that the standard pallet brings.
const (
	controller = "planktoscope-org.device-backend.controller-simulator.service"
	segmenter  = "planktoscope-org.device-backend.processing.segmenter-simulator.service"
)

func overlay(dir string, stage bool) report.Overlay {
	o := report.Overlay{
		Target:    "/" + dir,
		Source:    "pkinit:/" + dir,
		Lowerdirs: []string{"/sysroot/" + dir},
		Upperdir:  "/var/lib/overlays/overrides/" + dir,
		Workdir:   "/var/lib/overlays/workdirs/" + dir,
	}
	if stage {
		o.Lowerdirs = append([]string{"/run/forklift/stages/current/exports/overlays/" + dir}, o.Lowerdirs...)
	}
	return o
}

// TestOverridesOutliveTheBoot writes in one boot and looks in the next one. The image lies on a larger card, to whose
// end the root file system grows in the first boot.
func TestOverridesOutliveTheBoot(t *testing.T) {
	img := copyImage(t)
	info, err := os.Stat(img)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(img, cardSize))
	first := boot(t, img, qemu.Options{Persist: true, Checks: []qemu.Check{script(t, "write-override"), script(t, "grown")}})
	require.Empty(t, qemu.Judge(first))
	require.Equal(t, &report.Growth{From: info.Size() - rootStart, To: cardSize - rootStart}, first.Report.Root.Grown)
	second := boot(t, img, qemu.Options{Persist: true, Checks: []qemu.Check{script(t, "find-override"), script(t, "grown")}})
	require.Empty(t, qemu.Judge(second))
	require.Nil(t, second.Report.Root.Grown)
	require.Equal(t, []string{"/dev/vda2 ends where /dev/vda does", "the file system fills /dev/vda2"},
		[]string{second.Report.Steps[0].Note, second.Report.Steps[1].Note})
	require.Contains(t, tool(t, "sfdisk", "--verify", img), "No errors detected.")
	tool(t, "e2fsck", "-fn", fmt.Sprintf("%s?offset=%d", img, rootStart))
}

// cardSize is that of a card on which there is room for more than the image.
const cardSize = 4 << 30

// TestBrokenStage: a device whose stage is incomplete starts all the same, says so, and answers to SSH.
func TestBrokenStage(t *testing.T) {
	for name, commands := range map[string]string{
		"incomplete": "rm /var/lib/forklift/stages/1/forklift-bundle.yml\n",
		"missing":    "rm /var/lib/forklift/stages/forklift-stage-store.yml\n",
	} {
		t.Run(name, func(t *testing.T) {
			img := copyImage(t)
			file := filepath.Join(t.TempDir(), "commands")
			require.NoError(t, os.WriteFile(file, []byte(commands), 0o644))
			tool(t, "debugfs", "-w", "-f", file, fmt.Sprintf("%s?offset=%d", img, rootStart))
			var console strings.Builder
			r := boot(t, img, qemu.Options{Cut: true, Console: &console, Checks: []qemu.Check{script(t, "no-stage")}})
			b := r.Report
			require.NotNil(t, b)
			require.True(t, b.Degraded)
			require.Zero(t, b.Choice.Stage)
			require.NotEmpty(t, b.Problems)
			require.Contains(t, console.String(), "pkinit: the system starts degraded")
			require.Contains(t, console.String(), b.Problems[0])
			require.Equal(t, []report.Overlay{overlay("usr", false), overlay("etc", false)}, b.Overlays)
			require.Equal(t, "running", r.System)
			require.Regexp(t, "^SSH-2.0-OpenSSH_", r.SSH)
			for _, c := range r.Checks {
				require.Zero(t, c.Code, c.Text)
			}
		})
	}
}

// script is a check below testdata.
func script(t *testing.T, name string) qemu.Check {
	data, err := os.ReadFile(filepath.Join("testdata/checks", name+".sh"))
	require.NoError(t, err)
	return qemu.Check{Name: name, Script: string(data)}
}
