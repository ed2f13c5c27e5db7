package qemu

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeMode is the environment variable that makes this test program a QEMU of which nothing is real but the socket. Its
// value is what the machine does: see fakeQEMU.
const fakeMode = "PKBUILD_FAKE_QEMU"

func TestMain(m *testing.M) {
	if mode := os.Getenv(fakeMode); mode != "" {
		fakeQEMU(mode)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func fakeQEMU(mode string) {
	if mode == "refuses" {
		fmt.Fprintln(os.Stderr, "qemu: no such machine")
		os.Exit(1)
	}
	l, err := net.Listen("unix", probeSocket)
	if err != nil {
		panic(err)
	}
	fmt.Println("Linux version 6.12\r")
	conn, err := l.Accept()
	if err != nil {
		panic(err)
	}
	good, err := os.ReadFile("answer")
	if err != nil {
		panic(err)
	}
	switch mode {
	case "answers":
		_, _ = conn.Write(good)
		line, _ := bufio.NewReader(conn).ReadString('\n')
		fmt.Printf("told: %s", line)
		return
	case "stays on":
		_, _ = conn.Write(good)
	case "is cut off":
		cut := make(chan os.Signal, 1)
		signal.Notify(cut, syscall.SIGTERM)
		_, _ = conn.Write(good)
		<-cut
		return
	case "panics":
		fmt.Println("[    5.9] Kernel panic - not syncing: no init")
		fmt.Println("[    5.9] Call trace:")
	case "reboots":
		_, _ = conn.Write(good[:100])
		return
	case "talks nonsense":
		fmt.Fprintln(conn, "hello")
	case "stops within":
		_, _ = conn.Write(good[:100])
	case "ends within":
		_, _ = conn.Write(good[:len(good)-len("end\n")])
		return
	}
	time.Sleep(time.Hour)
}

// attendFake attends a fake QEMU that does something.
func attendFake(t *testing.T, ctx context.Context, mode string, o Options) (*Result, error) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	t.Setenv(fakeMode, mode)
	if o.Timeout == 0 {
		o.Timeout = time.Minute // a fake that is not understood shall not hold up the others
	}
	dir := t.TempDir()
	answer, err := os.ReadFile("testdata/answer")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "answer"), answer, 0o600))
	r := &Result{Dir: dir, Console: filepath.Join(dir, consoleFile), Command: []string{self, "-M", "virt x"}}
	return r, attend(ctx, r, run{ssh: serve(t, "SSH-2.0-fake\n")}, o.withDefaults())
}

func TestAttend(t *testing.T) {
	var console bytes.Buffer
	r, err := attendFake(t, t.Context(), "answers", Options{Console: &console})
	require.NoError(t, err)
	require.Equal(t, "SSH-2.0-fake", r.SSH)
	require.Equal(t, "running", r.System)
	require.Equal(t, "Linux version 6.12\r\ntold: off\n", console.String())
	log, err := os.ReadFile(r.Console)
	require.NoError(t, err)
	require.Equal(t, console.String(), string(log))
	require.Positive(t, r.Seconds.Total)
}

// TestCut: a machine that goes on for ever ends all the same, and well.
func TestCut(t *testing.T) {
	r, err := attendFake(t, t.Context(), "is cut off", Options{Cut: true})
	require.NoError(t, err)
	require.Equal(t, "SSH-2.0-fake", r.SSH)
	require.Equal(t, "running", r.System)
}

func TestAttendErrors(t *testing.T) {
	const short = 300 * time.Millisecond
	tests := map[string]struct {
		o    Options
		want []string
	}{
		"refuses": {
			Options{}, []string{"ended by itself", "ended: exit status 1", "stderr: qemu: no such machine"},
		},
		"panics": {
			Options{}, []string{"the machine says: [    5.9] Kernel panic - not syncing: no init\n", "[    5.9] Call trace:"},
		},
		"is silent":    {Options{Silence: short}, []string{"the machine said nothing for 300ms\n"}},
		"stops within": {Options{Silence: short, Timeout: 4 * short}, []string{"not done after 1.2s\n"}},
		"reboots": {
			Options{}, []string{
				"the machine ended by itself before the probe had said all: answer of the probe: line ",
				"unexpected EOF", "ended: exit status 0",
			},
		},
		"talks nonsense": {
			Options{}, []string{`answer of the probe: line 1: "hello" is out of place`, "ended: signal: killed"},
		},
		"stays on": {Options{Timeout: 2 * time.Second}, []string{"not done after 2s\n"}},
	}
	for mode, tt := range tests {
		t.Run(mode, func(t *testing.T) {
			r, err := attendFake(t, t.Context(), mode, tt.o)
			require.Error(t, err)
			for _, want := range append(tt.want, "command: cd "+r.Dir+" && "+r.Command[0]+" -M 'virt x'\n") {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

// What the probe had said before its machine went off is in the result.
func TestAttendKeepsWhatItHas(t *testing.T) {
	r, err := attendFake(t, t.Context(), "ends within", Options{})
	require.ErrorContains(t, err, "unexpected EOF")
	require.Equal(t, "running", r.System)
	require.NotNil(t, r.Report)
}

func TestAttendIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pipe, console := io.Pipe()
	go func() { // the machine speaks: it has started
		_, _ = bufio.NewReader(pipe).ReadString('\n')
		cancel()
		_, _ = io.Copy(io.Discard, pipe)
	}()
	_, err := attendFake(t, ctx, "is silent", Options{Console: console})
	require.EqualError(t, err, "context canceled")
}

func TestBootPutsBack(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	image := testImage(t, map[string][]byte{"config.txt": []byte("kernel=none\n"), "cmdline.txt": []byte("x\n")})
	t.Setenv("PATH", t.TempDir())
	_, err := Boot(t.Context(), image, Options{})
	require.EqualError(t, err, "qemu-system-aarch64 is not installed; run: apt install qemu-system-arm")

	require.NoError(t, os.WriteFile(filepath.Join(os.Getenv("PATH"), program), []byte("#!/bin/sh\nexit 1\n"), 0o700))
	_, err = Boot(t.Context(), image, Options{Machine: "x"})
	require.EqualError(t, err, `machine "x" is not known: want virt`)
	_, err = Boot(t.Context(), image, Options{})
	require.EqualError(t, err, "boot "+image+": pi4: config.txt names the kernel none, which is not in the boot partition")
	requireFiles(t, os.Getenv("TMPDIR"))
}

// fakeProgram puts this test program into the path in place of QEMU.
func fakeProgram(t *testing.T, mode string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	path := t.TempDir()
	require.NoError(t, os.Symlink(self, filepath.Join(path, program)))
	t.Setenv("PATH", path)
	t.Setenv(fakeMode, mode)
}

func TestBootLeaves(t *testing.T) {
	kernel := make([]byte, 64)
	copy(kernel[56:], "ARMd")
	image := testImage(t, map[string][]byte{
		"config.txt": []byte("kernel=vmlinuz\ninitramfs a,b followkernel\n"), "cmdline.txt": []byte("x\n"),
		"vmlinuz": kernel, "a": []byte("one"), "b": []byte("two"),
	})
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	fakeProgram(t, "refuses")

	r, err := Boot(t.Context(), image, Options{})
	require.ErrorContains(t, err, "boot "+image+": the machine ended by itself")
	requireFiles(t, temp, filepath.Base(r.Dir))
	requireFiles(t, r.Dir, "console.log")

	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30), "new")
	r, err = Boot(t.Context(), image, Options{Dir: dir, Checks: []Check{{"x", "exit 0\n"}}})
	require.Error(t, err)
	require.Equal(t, dir, r.Dir)
	requireFiles(t, dir, "console.log", "credential.pkbuild.check.000", "credential.pkbuild.probe",
		"credential.systemd.extra-unit.p.service", "initramfs", "kernel")
	initramfs, err := os.ReadFile(filepath.Join(dir, "initramfs"))
	require.NoError(t, err)
	require.Equal(t, "onetwo", string(initramfs))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Boot(ctx, image, Options{})
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, list(t, temp), 1)
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func requireFiles(t *testing.T, dir string, names ...string) {
	t.Helper()
	require.Equal(t, names, list(t, dir))
}

func TestBootable(t *testing.T) {
	arm := strings.Repeat("x", 56) + "ARMd...."
	tests := map[string]struct {
		kernel string
		bits   int
		want   string
	}{
		"Image": {arm, 64, ""},
		"gzip":  {"\x1f\x8b" + arm, 64, ""},
		"zboot": {
			"MZ\x00\x00zimg" + strings.Repeat("x", 64), 64, "kernel k is neither an arm64 Image nor a gzip of one",
		},
		"cut short":  {"MZ", 64, "kernel k: unexpected EOF"},
		"in 32 bits": {arm, 32, "the firmware of pi3 starts k in 32-bit mode; set arm_64bit=1 in config.txt"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "kernel")
			require.NoError(t, os.WriteFile(file, []byte(tt.kernel), 0o600))
			err := bootable(file, Firmware{Board: "pi3", Kernel: "k", Bits: tt.bits})
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.want)
		})
	}
}
