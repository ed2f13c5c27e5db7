package qemu

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/qemu/scenario"
)

// fakeDevice makes a device whose QEMU is the fake one.
func fakeDevice(t *testing.T, mode string) *Device {
	t.Helper()
	kernel := make([]byte, 64)
	copy(kernel[56:], "ARMd")
	image := testImage(t, map[string][]byte{
		"config.txt": []byte("kernel=vmlinuz\n"), "cmdline.txt": []byte("x\n"), "vmlinuz": kernel,
	})
	fakeProgram(t, mode)
	d, err := NewDevice(DeviceOptions{Image: image, Dir: filepath.Join(t.TempDir(), "device")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close(false)); require.NoFileExists(t, d.card) })
	return d
}

func boot(t *testing.T, d *Device, start scenario.Start) {
	t.Helper()
	require.NoError(t, d.Start(t.Context(), start))
	require.NoError(t, d.Ready(t.Context(), time.Minute))
}

func TestDevice(t *testing.T) {
	d := fakeDevice(t, "answers")
	require.Zero(t, d.Elapsed())
	boot(t, d, scenario.Start{Ports: []int{22}})
	require.Positive(t, d.Elapsed())
	out, err := d.Run(t.Context(), "x", time.Minute)
	require.NoError(t, err)
	require.Equal(t, Output{Code: 3, Text: "output of x"}, out)
	require.Contains(t, d.Console(), "Linux version")
	_, err = d.Dial(t.Context(), 80)
	require.ErrorIs(t, err, errOff, "port that was not asked for")
	require.NoError(t, d.Plug(t.Context(), &scenario.Stick{Name: "a"}))
	require.NoError(t, d.Unplug(t.Context(), "a"))
	require.NoError(t, d.Sleep(t.Context(), time.Millisecond))
	require.NoError(t, d.PowerOff(t.Context(), time.Minute))
	require.Contains(t, d.Console(), "Power down")
	require.Zero(t, d.Elapsed())

	boot(t, d, scenario.Start{}) // again, with the same card
	require.NotContains(t, d.Console(), "Power down")
	require.NoError(t, d.Cut(t.Context(), false, 0))
	require.Equal(t, 2, d.boots)
	require.Regexp(t, `(?s)^command: cd .*/boot-2 && qemu-system-aarch64 .*files: .*console:\n.*Linux version`, d.Describe())
}

func TestDeviceInspect(t *testing.T) {
	d := fakeDevice(t, "answers")
	boot(t, d, scenario.Start{})
	d.ssh = serve(t, "SSH-2.0-fake\n")
	state, err := d.Inspect(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, state.Report.Choice.Stage)
	require.Positive(t, state.Phases["started"])
}

func TestDeviceEnds(t *testing.T) {
	d := fakeDevice(t, "reboots")
	boot(t, d, scenario.Start{})
	for range 3 {
		_, _ = d.Run(t.Context(), "x", time.Minute) // the third restarts the system
	}
	reason, err := d.Ended(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Equal(t, "reboot", reason)
	_, err = d.Ended(t.Context(), time.Minute)
	require.ErrorIs(t, err, errOff)
}

func TestDevicePanics(t *testing.T) {
	d := fakeDevice(t, "panics")
	require.NoError(t, d.Start(t.Context(), scenario.Start{}))
	require.ErrorContains(t, d.Ready(t.Context(), time.Minute), "kernel of the guest failed: [    5.9] Kernel panic")
}

func TestDeviceLimits(t *testing.T) {
	d := fakeDevice(t, "hangs")
	boot(t, d, scenario.Start{})
	_, err := d.Ended(t.Context(), 300*time.Millisecond)
	require.EqualError(t, err, "end of the boot: not done after 300ms")
	for range 2 {
		_, err = d.Run(t.Context(), "x", time.Minute)
		require.NoError(t, err)
	}
	_, err = d.Run(t.Context(), "x", 300*time.Millisecond)
	require.EqualError(t, err, "command: not done after 300ms")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, d.Sleep(ctx, time.Hour), context.Canceled)
}

func TestDeviceRefused(t *testing.T) {
	d := fakeDevice(t, "refuses")
	require.ErrorContains(t, d.Start(t.Context(), scenario.Start{}), "run: apt install ipxe-qemu")
	require.Zero(t, d.Elapsed())
}

func TestDeviceOff(t *testing.T) {
	d := fakeDevice(t, "answers")
	ctx := t.Context()
	_, runErr := d.Run(ctx, "x", time.Minute)
	_, inspectErr := d.Inspect(ctx)
	_, dialErr := d.Dial(ctx, 22)
	for _, err := range []error{
		runErr, inspectErr, dialErr, d.Ready(ctx, time.Minute), d.Sleep(ctx, 1), d.PowerOff(ctx, 1), d.Cut(ctx, false, 0),
		d.Plug(ctx, &scenario.Stick{}), d.Unplug(ctx, "a"),
	} {
		require.ErrorIs(t, err, errOff)
	}
}

func TestReason(t *testing.T) {
	event := func(kind, reason string) *qmp {
		m := qmpMessage{Event: kind}
		m.Data.Reason = reason
		return &qmp{events: []qmpMessage{m}}
	}
	for _, tt := range []struct {
		q             *qmp
		console, want string
		err           string
	}{
		{event("SHUTDOWN", "guest-reset"), "", "reboot", ""},
		{event("SHUTDOWN", "guest-reset"), "Kernel panic - not syncing: x", "panic", ""},
		{event("SHUTDOWN", "guest-shutdown"), "", "power-off", ""},
		{event("WATCHDOG", ""), "", "watchdog", ""},
		{event("GUEST_PANICKED", ""), "", "panic", ""},
		{event("SHUTDOWN", "host-signal"), "", "", "QEMU ended by host-signal"},
		{&qmp{}, "", "", "QEMU ended without a reason"},
	} {
		got, err := tt.q.reason(tt.console)
		require.Equal(t, tt.want, got)
		if tt.err != "" {
			require.EqualError(t, err, tt.err)
		}
	}
}

// The file systems are made and judged by the tools of their projects.
func TestCard(t *testing.T) {
	needs.Program(t, "e2fsck")
	needs.Program(t, "mcopy")
	image := testImage(t, map[string][]byte{"config.txt": []byte("old\n")})
	require.NoError(t, os.Truncate(image, 64<<20))
	out, err := exec.Command("sh", "-c", `PATH=$PATH:/usr/sbin:/sbin
printf '1M,34M,c\n35M,,83\n' | sfdisk -q "$1" && mke2fs -q -F -t ext4 -E offset=36700160 "$1" 28M`, "sh", image).CombinedOutput()
	require.NoError(t, err, "%s", out)
	c := cardEditor{image}
	size, err := c.Size(2)
	require.NoError(t, err)
	require.Equal(t, int64(29<<20), size)
	_, err = c.Size(3)
	require.EqualError(t, err, "SD card has no partition 3")

	require.NoError(t, c.Debugfs([]string{"mkdir /etc"}))
	for _, content := range []string{"one\n", "two\n"} {
		require.NoError(t, c.Write("/etc/file", []byte(content), 0o600))
		require.NoError(t, c.Write("/boot/firmware/config.txt", []byte(content), 0o644))
		require.NoError(t, c.withPartition(2, false, func(root string) error {
			text, err := tool("debugfs", []int{0}, "-R", "cat /etc/file", root)
			require.Contains(t, text, content)
			return err
		}))
		img, err := Open(image)
		require.NoError(t, err)
		got, err := img.boot.ReadFile("config.txt")
		require.NoError(t, err)
		require.NoError(t, img.Close())
		require.Equal(t, content, string(got))
	}
	require.NoError(t, c.Check(false))
	require.NoError(t, c.Delete("/etc/file"))
	require.ErrorContains(t, c.Delete("/etc/file"), "debugfs: rm: File not found")
	require.NoError(t, c.Delete("/boot/firmware/config.txt"))
	require.ErrorContains(t, c.Delete("/boot/firmware/config.txt"), "mdel")
	require.NoError(t, c.Check(false))
	// A journal that has to be replayed, as after a power cut.
	require.NoError(t, c.withPartition(2, true, func(root string) error {
		_, err := tool("debugfs", []int{0}, "-w", "-R", "set_super_value feature_incompat 0x2c6", root)
		return err
	}))
	require.NoError(t, c.Check(false))
	require.NoError(t, c.Debugfs([]string{"clri /etc"}))
	require.ErrorContains(t, c.Check(false), "e2fsck -fn")
	require.NoError(t, c.Check(true))
	require.NoError(t, c.Check(false))
	require.NoError(t, c.Overwrite(1, 32*512+8, []byte("garbage!"))) // within the first FAT
	require.ErrorContains(t, c.Check(false), "fsck.vfat: ")
}

// A FAT32 that was mounted when the power failed is sound, but for its mark; other differences of the boot sectors are not.
func TestCheckFATAfterPowerCut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fat")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	require.NoError(t, os.Truncate(file, 64<<20))
	out, err := exec.Command(needs.Program(t, "mkfs.vfat"), "-F", "32", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	write := func(offset int64, b byte) {
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.WriteAt([]byte{b}, offset)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	require.NoError(t, checkFAT(file))
	write(65, 1)
	require.NoError(t, checkFAT(file))
	write(66, 7)
	require.ErrorContains(t, checkFAT(file), "65:01/00, 66:07/29")
}

func TestSuite(t *testing.T) {
	d := fakeDevice(t, "answers")
	s, err := scenario.Parse("s.yml", []byte("title: t\npeers: [other]\nsteps:\n  - boot:\n  - run: {run: x, exit: 3}\n  - {on: other, boot: }\n"+
		"  - {on: other, run: {run: x, exit: 4}}\n"))
	require.NoError(t, err)
	s.Name = "s"
	var steps []string
	dir := t.TempDir()
	u := Suite{Image: d.o.Image, Dir: dir, Progress: func(_ *scenario.Scenario, step string) { steps = append(steps, step) }}
	results := u.Run(t.Context(), []*scenario.Scenario{s})
	require.Equal(t, "boot run boot run", strings.Join(steps, " "))
	require.Contains(t, results[0].Message(), "exit code is 3, want 4")
	require.DirExists(t, filepath.Join(dir, "s.other"), "the files of a failed scenario stay")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	other := t.TempDir()
	u = Suite{Image: d.o.Image, Dir: other, Jobs: 2}
	results = u.Run(ctx, []*scenario.Scenario{s, s, s})
	require.Equal(t, []*scenario.Result{nil, nil, nil}, results)
	require.Empty(t, list(t, other))
}

// An interrupted scenario leaves no process and no file.
func TestSuiteInterrupted(t *testing.T) {
	d := fakeDevice(t, "answers")
	s, err := scenario.Parse("s.yml", []byte("title: t\nsteps:\n  - boot:\n  - run: {run: x, exit: 3}\n"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	u := Suite{Image: d.o.Image, Dir: dir, Progress: func(_ *scenario.Scenario, step string) {
		if step == "run" {
			cancel()
		}
	}}
	results := u.Run(ctx, []*scenario.Scenario{s, s})
	require.ErrorIs(t, results[0].Err, context.Canceled)
	require.Nil(t, results[1])
	require.Empty(t, list(t, dir))
}
