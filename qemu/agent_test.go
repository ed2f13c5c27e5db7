package qemu

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// newShell runs an interactive POSIX shell of the host in place of a guest's root shell, with an own directory for the agent.
// Its output passes through damage, if that is not nil.
func newShell(t *testing.T, damage func([]byte) []byte) *agent {
	t.Helper()
	cmd := exec.Command("sh", "-i")
	cmd.Dir = t.TempDir()
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	a := newAgent(redirect{in, cmd.Dir})
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 1000)
		for {
			n, err := out.Read(buffer)
			data := buffer[:n]
			if damage != nil {
				data = damage(data)
			}
			_, _ = a.Write(data)
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait()
	})
	return a
}

// redirect makes the agent use a directory of the test instead of the guest's /run, and spares stty without a terminal.
type redirect struct {
	w   io.Writer
	dir string
}

func (r redirect) Write(p []byte) (int, error) {
	text := strings.Replace(string(p), "stty -echo -icanon -opost;", "stty() { :; };", 1)
	text = strings.Replace(text, "| base64 -d)", "| base64 -d | sed 's|/run/pkbuild-agent|"+r.dir+"/agent|')", 1)
	_, err := io.WriteString(r.w, text)
	return len(p), err
}

func out(code int, text string) Output { return Output{Code: code, Text: text} }

func TestAgent(t *testing.T) {
	a := newShell(t, nil)
	require.NoError(t, a.start(t.Context()))
	for script, want := range map[string]Output{
		"echo one; echo two >&2; exit 3": out(3, "one\ntwo"),
		"printf 'no line break'":         out(0, "no line break"),
		"true":                           out(0, ""),
		"printf '\\n\\na\\n\\n'":         out(0, "\n\na\n"),
		"cat":                            out(0, ""), // standard input is empty
		"# " + strings.Repeat("long ", 2000) + "\necho done": out(0, "done"),
	} {
		got, err := a.run(t.Context(), script, time.Minute)
		require.NoError(t, err, script)
		require.Equal(t, want, got, script)
	}
	got, err := a.run(t.Context(), "yes line | head -n 200000", time.Minute)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("line\n", 200000), got.Text+"\n")
}

func TestAgentTimeout(t *testing.T) {
	a := newShell(t, nil)
	require.NoError(t, a.start(t.Context()))
	got, err := a.run(t.Context(), "echo before; sleep 60", time.Second)
	require.NoError(t, err)
	require.Equal(t, out(timedOut, "before"), got)
}

func TestAgentCancelled(t *testing.T) {
	a := newShell(t, nil)
	require.NoError(t, a.start(t.Context()))
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the reason")
	time.AfterFunc(100*time.Millisecond, func() { cancel(reason) })
	_, err := a.run(ctx, "sleep 2", time.Minute)
	require.ErrorIs(t, err, reason)
}

// On a serial port the kernel's messages may come in the middle of a reply. A command runs once all the same.
func TestAgentDamagedReplies(t *testing.T) {
	var mu sync.Mutex
	left := 0
	a := newShell(t, func(p []byte) []byte {
		mu.Lock()
		defer mu.Unlock()
		if i := strings.LastIndexByte(string(p), '"'); left > 0 && i > 0 {
			left--
			return []byte(string(p[:i]) + "[   12.3] usb 1-1: new device\r\n" + string(p[i:]))
		}
		return p
	})
	require.NoError(t, a.start(t.Context()))
	mu.Lock()
	left = 2
	mu.Unlock()
	file := filepath.Join(t.TempDir(), "count")
	got, err := a.run(t.Context(), "echo x >>"+file+"; cat "+file, time.Minute)
	require.NoError(t, err)
	require.Equal(t, out(0, "x"), got)
}

func TestAgentWrongSum(t *testing.T) {
	r := record{Code: new(int), Sum: strings.Repeat("0", 64), Output: []byte("x")}
	require.False(t, r.intact())
	r.Sum = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
	require.True(t, r.intact())
	r.damaged = true
	require.False(t, r.intact())
}

// The terminal echoes requests, and other programs print to it.
func TestAgentOtherOutput(t *testing.T) {
	a := newAgent(io.Discard)
	_, err := io.WriteString(a, "login: \x1e garbage\n\x1e{\"id\":\x1e{\"id\":7,\"part\":\"0000\"}\n{\"id\":8}\n")
	require.NoError(t, err)
	require.Equal(t, record{damaged: true}, <-a.records)
	require.Equal(t, record{ID: 7, Part: "0000"}, <-a.records)
	require.Empty(t, a.records)
}

func TestAgentPrompt(t *testing.T) {
	a := newAgent(io.Discard)
	_, _ = bufio.NewReader(strings.NewReader("root@x:/# ")).WriteTo(a)
	require.Len(t, a.prompts, 1)
	<-a.prompts
	_, _ = io.WriteString(a, "more")
	require.Empty(t, a.prompts)
}
