package qemu

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
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

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers/firmware"
)

// fakeMode is the environment variable that makes this test program a fake QEMU. Its value selects what the machine does,
// see fakeQEMU.
const fakeMode = "PKBUILD_FAKE_QEMU"

// fakeAnswers is the environment variable with the path of the answers.
const fakeAnswers = "PKBUILD_FAKE_ANSWERS"

// setFake sets the environment variables of the fake QEMU.
func setFake(t *testing.T, mode string) {
	t.Helper()
	answers, err := filepath.Abs("testdata/answers.json")
	require.NoError(t, err)
	t.Setenv(fakeMode, mode)
	t.Setenv(fakeAnswers, answers)
}

func TestMain(m *testing.M) {
	if mode := os.Getenv(fakeMode); mode != "" {
		fakeQEMU(mode)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func fakeQEMU(mode string) {
	if mode == "refuses" {
		fmt.Fprintln(os.Stderr, `qemu: failed to find romfile "efi-virtio.rom"`)
		os.Exit(1)
	}
	monitor := accept(qmpSocket)
	fmt.Fprintln(monitor, `{"QMP": {"version": {}}}`)
	go func() {
		for lines := bufio.NewScanner(monitor); lines.Scan(); {
			fmt.Fprintln(monitor, `{"return": {}}`)
		}
	}()
	fmt.Println("Linux version 6.12\r")
	terminal := io.ReadWriter(serialPort{os.Stdin, os.Stdout})
	if mode != "serial" {
		terminal = accept(agentSocket)
	}
	switch mode {
	case "panics":
		fmt.Println("[    5.9] Kernel panic - not syncing: no init")
		fmt.Println("[    5.9] Call trace:")
	case "is silent":
	default:
		g := fakeGuest{mode: mode, terminal: terminal, monitor: monitor, scripts: map[string]string{}}
		g.serve()
	}
	time.Sleep(time.Hour)
}

// accept waits for the first connection to a socket.
func accept(socket string) net.Conn {
	l, err := net.Listen("unix", socket)
	if err != nil {
		panic(err)
	}
	conn, err := l.Accept()
	if err != nil {
		panic(err)
	}
	return conn
}

// serialPort joins the two directions of a serial port.
type serialPort struct {
	io.Reader
	io.Writer
}

// fakeGuest replies to the agent's requests with the recorded answers of a booted image.
type fakeGuest struct {
	mode     string
	terminal io.ReadWriter
	monitor  io.Writer
	scripts  map[string]string // encoded, by number
	count    int               // of executed scripts
}

func (g *fakeGuest) serve() {
	if g.mode == "is cut off" {
		cut := make(chan os.Signal, 1)
		signal.Notify(cut, syscall.SIGTERM)
		go func() { <-cut; g.exit("host-signal") }()
	}
	lines := bufio.NewScanner(g.terminal)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case strings.Contains(lines.Text(), "exec sh"):
			fmt.Fprintf(g.terminal, "\x1e{\"shell\":true}\n")
		case strings.HasPrefix(lines.Text(), " eval"):
			script, _ := base64.StdEncoding.DecodeString(words[2])
			nonce, _, _ := strings.Cut(strings.TrimPrefix(string(script), "NONCE="), "\n")
			fmt.Fprintf(g.terminal, "\x1e{\"agent\":%q}\n", nonce)
		case words[0] == "put":
			g.scripts[words[1]] += words[3]
			fmt.Fprintf(g.terminal, "\x1e{\"id\":%s,\"part\":%q}\n", words[1], words[2])
		case words[0] == "run":
			script, _ := base64.StdEncoding.DecodeString(g.scripts[words[1]])
			out := g.run(string(script))
			fmt.Fprintf(g.terminal, "\x1e{\"id\":%s,\"code\":%d,\"sha256\":\"%x\",\"output\":%q}\n", words[1], out.Code,
				sha256.Sum256([]byte(out.Text)), base64.StdEncoding.EncodeToString([]byte(out.Text)))
		}
	}
}

// exit ends QEMU as -no-reboot does.
func (g *fakeGuest) exit(reason string) {
	fmt.Fprintf(g.monitor, `{"event": "SHUTDOWN", "data": {"guest": true, "reason": %q}}`+"\n", reason)
	os.Exit(0)
}

// run returns the recorded output of a script.
func (g *fakeGuest) run(script string) Output {
	g.count++
	switch {
	case g.mode == "reboots" && g.count == 3:
		g.exit("guest-reset")
	case g.mode == "hangs" && g.count == 3:
		time.Sleep(time.Hour)
	case strings.HasSuffix(script, "poweroff"):
		if g.mode == "stays on" {
			return Output{}
		}
		fmt.Print("reboot: Power down\n")
		if g.mode != "serial" { // without PSCI the kernel stops here
			g.exit("guest-shutdown")
		}
		time.Sleep(time.Hour)
	case strings.Contains(script, "is-system-running"):
		return out(0, "running")
	case script == "cat /proc/uptime":
		return out(0, fmt.Sprintf("%d.5 2.0", 50+g.count))
	}
	var a answers
	data, err := os.ReadFile(os.Getenv(fakeAnswers))
	if err != nil || json.Unmarshal(data, &a) != nil {
		panic(err)
	}
	for _, q := range questions() {
		if q.script == script {
			return a[q.name]
		}
	}
	return out(3, "output of "+script)
}

// observeFake boots a fake machine.
func observeFake(t *testing.T, ctx context.Context, mode string, o Options) (*Result, error) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	setFake(t, mode)
	if o.Timeout == 0 {
		o.Timeout = time.Minute // limits the test
	}
	dir := t.TempDir()
	r := &Result{Dir: dir, Console: filepath.Join(dir, consoleFile), Command: []string{self, "-M", "virt x"}}
	m := Machines()[0]
	if mode == "serial" {
		m = Machines()[1]
	}
	return r, r.observe(ctx, m, invocation{ssh: serve(t, "SSH-2.0-fake\n")}, o.withDefaults())
}

func TestObserve(t *testing.T) {
	var console bytes.Buffer
	r, err := observeFake(t, t.Context(), "answers", Options{Console: &console, Checks: []Check{{"a", "x"}, {"b", "y"}}})
	require.NoError(t, err)
	require.Equal(t, "SSH-2.0-fake", r.SSH)
	require.Equal(t, "running", r.System)
	require.Equal(t, []Attempt{{"a", out(3, "output of x")}, {"b", out(3, "output of y")}}, r.Checks)
	require.Equal(t, "Linux version 6.12\r\nreboot: Power down\n", console.String())
	log, err := os.ReadFile(r.Console)
	require.NoError(t, err)
	require.Equal(t, console.String(), string(log))
	require.Positive(t, r.Seconds.Total)
}

// On a machine without PSCI the kernel cannot end QEMU, and the agent answers over the serial port.
func TestObserveSerial(t *testing.T) {
	r, err := observeFake(t, t.Context(), "serial", Options{})
	require.NoError(t, err)
	require.Equal(t, "running", r.System)
	require.NotNil(t, r.Report)
}

func TestCut(t *testing.T) {
	r, err := observeFake(t, t.Context(), "is cut off", Options{Cut: true})
	require.NoError(t, err)
	require.Equal(t, "SSH-2.0-fake", r.SSH)
	require.Equal(t, "running", r.System)
}

func TestObserveErrors(t *testing.T) {
	const short = 300 * time.Millisecond
	tests := map[string]struct {
		o    Options
		want []string
	}{
		"refuses": {Options{}, []string{
			"virtual machine ended by itself: run: apt install ipxe-qemu\n", "ended: exit status 1", "stderr: qemu: failed to find romfile",
		}},
		"panics": {
			Options{}, []string{"kernel of the guest failed: [    5.9] Kernel panic - not syncing: no init\n", "[    5.9] Call trace:"},
		},
		"is silent": {Options{Silence: short}, []string{"the guest printed nothing for 300ms\n"}},
		"hangs":     {Options{Silence: short, Timeout: 4 * short}, []string{"guest has not booted after 1.2s\n"}},
		"reboots":   {Options{}, []string{"virtual machine ended by itself\n", "ended: exit status 0"}},
		"stays on":  {Options{Timeout: 2 * time.Second}, []string{"guest has not booted after 2s\n"}},
	}
	for mode, tt := range tests {
		t.Run(mode, func(t *testing.T) {
			r, err := observeFake(t, t.Context(), mode, tt.o)
			require.Error(t, err)
			for _, want := range append(tt.want, "command: cd "+r.Dir+" && "+r.Command[0]+" -M 'virt x'\n") {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

func TestObserveKeepsEarlierAnswers(t *testing.T) {
	r, err := observeFake(t, t.Context(), "reboots", Options{})
	require.ErrorIs(t, err, errEnded)
	require.Equal(t, "running", r.System)
}

func TestObserveCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pipe, console := io.Pipe()
	go func() { // output means that the machine has started
		_, _ = bufio.NewReader(pipe).ReadString('\n')
		cancel()
		_, _ = io.Copy(io.Discard, pipe)
	}()
	_, err := observeFake(t, ctx, "is silent", Options{Console: console})
	require.ErrorIs(t, err, context.Canceled)
}

func TestBootRemovesFiles(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	image := testImage(t, map[string][]byte{"config.txt": []byte("kernel=none\n"), "cmdline.txt": []byte("x\n")})
	t.Setenv("PATH", t.TempDir())
	_, err := Boot(t.Context(), image, Options{})
	require.EqualError(t, err, "qemu-system-aarch64 is not installed; run: apt install qemu-system-arm")

	require.NoError(t, os.WriteFile(filepath.Join(os.Getenv("PATH"), program), []byte("#!/bin/sh\nexit 1\n"), 0o700))
	_, err = Boot(t.Context(), image, Options{Machine: "x"})
	require.EqualError(t, err, `unknown machine "x", want virt or raspi3b`)
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
	setFake(t, mode)
}

func TestBootKeepsLog(t *testing.T) {
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
	require.ErrorContains(t, err, "boot "+image+": virtual machine ended by itself: run: apt install ipxe-qemu\n")
	requireFiles(t, temp, filepath.Base(r.Dir))
	requireFiles(t, r.Dir, "console.log")

	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30), "new")
	r, err = Boot(t.Context(), image, Options{Dir: dir, Checks: []Check{{"x", "exit 0\n"}}})
	require.Error(t, err)
	require.Equal(t, dir, r.Dir)
	requireFiles(t, dir, "console.log", "initramfs", "kernel")
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
			err := bootable(file, firmware.Choice{Board: "pi3", Kernel: "k", Bits: tt.bits})
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.want)
		})
	}
}

// requireQEMU ends a test where QEMU is not installed.
func requireQEMU(t *testing.T) { needs.Program(t, program) }
