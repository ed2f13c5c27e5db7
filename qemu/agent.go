package qemu

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/PlanktoScope/pkbuild/qemu/scenario"
)

//go:embed agent.sh
var agentScript string

// Output is the exit code and the output of a command that ran in the guest.
type Output = scenario.Output

// Constants of the protocol, see agent.sh.
const (
	recordStart  = 0x1e                   // RS, which begins a JSON text sequence
	maxRecord    = 16 << 20               // bytes
	partSize     = 1500                   // bytes of one request; the guest's terminal buffers 4096
	shellRetry   = 10 * time.Second       // between two requests to a terminal that has shown no prompt
	replyRetry   = 30 * time.Second       // for a reply that takes the guest no time
	maxAttempts  = 20                     // of one request, on a serial port where other output damages replies
	promptSettle = 300 * time.Millisecond // after a prompt: the shell may write more before it reads
)

// record is a reply of the agent.
type record struct {
	Shell  bool   `json:"shell"` // reply of the root shell, in which the agent is started
	Agent  string `json:"agent"` // first reply of the agent: its nonce
	ID     int    `json:"id"`    // number of the request
	Part   string `json:"part"`  // acknowledged part of a script
	Code   *int   `json:"code"`
	Sum    string `json:"sha256"`
	Output []byte `json:"output"`

	damaged bool
}

// agent runs scripts in the guest over a terminal on which a root shell was started.
type agent struct {
	terminal io.Writer // to the guest
	records  chan record
	prompts  chan struct{}

	mu      sync.Mutex // guards what Write changes
	partial []byte     // begun record, from RS on
	tail    []byte     // last bytes outside of records
	last    int        // number of the last request
	screen  io.Writer  // receives output outside of records during an interactive shell
}

func newAgent(terminal io.Writer) *agent {
	return &agent{terminal: terminal, records: make(chan record, 64), prompts: make(chan struct{}, 1)}
}

// Write parses output of the guest's terminal for the agent's replies. It never blocks: a reply for which nobody waits may
// be dropped.
func (a *agent) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, b := range p {
		switch {
		case b == recordStart:
			a.partial = append(a.partial[:0], b)
		case a.partial == nil:
			a.tail = append(a.tail[max(0, len(a.tail)-1):], b)
			if a.screen != nil {
				_, _ = a.screen.Write([]byte{b})
			}
		case b == '\n':
			a.complete()
		case len(a.partial) < maxRecord:
			a.partial = append(a.partial, b)
		}
	}
	if bytes.Equal(a.tail, []byte("# ")) {
		select {
		case a.prompts <- struct{}{}:
		default:
		}
	}
	return len(p), nil
}

func (a *agent) complete() {
	var r record
	if err := json.Unmarshal(a.partial[1:], &r); err != nil {
		r = record{damaged: true}
	}
	a.partial = nil
	select {
	case a.records <- r:
	default:
	}
}

// receive returns the next record that matches, or a damaged one. It returns nil without an error if there is none within
// the timeout.
func (a *agent) receive(ctx context.Context, timeout <-chan time.Time, match func(record) bool) (*record, error) {
	for {
		select {
		case r := <-a.records:
			if r.damaged || match(r) {
				return &r, nil
			}
		case <-timeout:
			return nil, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// start waits for the root shell and starts the agent in it.
func (a *agent) start(ctx context.Context) error {
	for {
		if err := a.findShell(ctx); err != nil {
			return err
		}
		nonce := rand.Text()
		script := fmt.Sprintf("NONCE=%s\n%s", nonce, agentScript)
		line := fmt.Sprintf(" eval \"$(echo %s | base64 -d)\"\n", base64.StdEncoding.EncodeToString([]byte(script)))
		if err := a.send(ctx, line); err != nil {
			return err
		}
		r, err := a.receive(ctx, time.After(replyRetry), func(r record) bool { return r.Agent == nonce })
		if err != nil || r != nil && !r.damaged {
			return err
		}
		if err := a.send(ctx, "\x03\n"); err != nil { // end what the shell may be in the middle of
			return err
		}
	}
}

// findShell returns when a shell on the terminal has replied. A request before the shell reads is lost, so it is repeated
// at each prompt, and sometimes without one. The octal escape keeps the echo of the request from looking like the reply.
func (a *agent) findShell(ctx context.Context) error {
	for {
		if err := a.send(ctx, " stty -echo -icanon -opost; printf '\\036{\"shell\":true}\\n'; exec sh\n"); err != nil {
			return err
		}
		r, err := a.receive(ctx, time.After(time.Second), func(r record) bool { return r.Shell })
		if err != nil || r != nil && !r.damaged {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-a.prompts:
			time.Sleep(promptSettle)
		case <-time.After(shellRetry):
		}
	}
}

// send writes a line. If the machine ends, how it ended says more than the closed terminal.
func (a *agent) send(ctx context.Context, line string) error {
	_, err := io.WriteString(a.terminal, line)
	if err == nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Second):
		return fmt.Errorf("write to the guest's terminal: %w", err)
	}
}

// run executes a shell script in the guest as root and ends it after the limit, which is in the guest's time.
func (a *agent) run(ctx context.Context, script string, limit time.Duration) (Output, error) {
	a.last++
	id := a.last
	encoded := base64.StdEncoding.EncodeToString([]byte(script))
	for n := 0; n == 0 || n*partSize < len(encoded); n++ {
		part := fmt.Sprintf("%04d", n)
		line := fmt.Sprintf("put %d %s %s\n", id, part, encoded[n*partSize:min((n+1)*partSize, len(encoded))])
		acknowledged := func(r record) bool { return r.ID == id && r.Part == part }
		if _, err := a.request(ctx, line, replyRetry, acknowledged); err != nil {
			return Output{}, err
		}
	}
	line := fmt.Sprintf("run %d %d\n", id, int(limit.Seconds()))
	r, err := a.request(ctx, line, 0, func(r record) bool { return r.ID == id && r.Code != nil })
	if err != nil {
		return Output{}, err
	}
	return Output{Code: *r.Code, Text: string(bytes.TrimSuffix(r.Output, []byte("\n")))}, nil
}

// shell connects an interactive shell of the guest to a terminal of the host until it exits.
func (a *agent) shell(ctx context.Context, in io.Reader, out io.Writer, rows, columns int) error {
	a.mu.Lock()
	a.screen = out
	a.mu.Unlock()
	a.last++
	id := a.last
	if err := a.send(ctx, fmt.Sprintf("shell %d %d %d\n", id, rows, columns)); err != nil {
		return err
	}
	go func() { _, _ = io.Copy(a.terminal, in) }()
	for {
		r, err := a.receive(ctx, nil, func(r record) bool { return r.ID == id })
		if err != nil || !r.damaged {
			a.mu.Lock()
			a.screen = nil
			a.mu.Unlock()
			return err
		}
	}
}

// request sends a line until its reply has arrived undamaged. After the retry period, unless it is 0, it sends the line
// again.
func (a *agent) request(ctx context.Context, line string, retry time.Duration, match func(record) bool) (*record, error) {
	for range maxAttempts {
		if err := a.send(ctx, line); err != nil {
			return nil, err
		}
		var timeout <-chan time.Time
		if retry > 0 {
			timeout = time.After(retry)
		}
		r, err := a.receive(ctx, timeout, match)
		if err != nil || r != nil && r.intact() {
			return r, err
		}
	}
	return nil, fmt.Errorf("agent in the guest: %d replies were lost or damaged", maxAttempts)
}

// intact reports whether a reply arrived as it was sent.
func (r *record) intact() bool {
	sum := sha256.Sum256(r.Output)
	return !r.damaged && (r.Code == nil || r.Sum == hex.EncodeToString(sum[:]))
}
