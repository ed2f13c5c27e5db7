package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// qmp is a connection to QEMU's machine protocol (docs/interop/qmp-spec of QEMU).
type qmp struct {
	conn    io.ReadWriteCloser
	replies chan qmpMessage

	mu     sync.Mutex
	events []qmpMessage
}

// qmpMessage is a reply or an event.
type qmpMessage struct {
	Return json.RawMessage
	Error  *struct{ Desc string }
	Event  string
	Data   struct {
		Guest  bool
		Reason string
		Device string
	}
}

// newQMP reads messages in the background until the connection ends, and leaves the negotiation of capabilities.
func newQMP(ctx context.Context, conn io.ReadWriteCloser) (*qmp, error) {
	q := &qmp{conn: conn, replies: make(chan qmpMessage, 1)}
	go q.read()
	return q, q.execute(ctx, "qmp_capabilities", nil)
}

func (q *qmp) read() {
	defer close(q.replies)
	for d := json.NewDecoder(q.conn); ; {
		var m qmpMessage
		if d.Decode(&m) != nil {
			return
		}
		switch {
		case m.Event != "":
			q.mu.Lock()
			q.events = append(q.events, m)
			q.mu.Unlock()
		case m.Return != nil || m.Error != nil: // the greeting is neither
			q.replies <- m
		}
	}
}

// execute executes a command and waits for its reply.
func (q *qmp) execute(ctx context.Context, command string, arguments map[string]any) error {
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	if err := json.NewEncoder(q.conn).Encode(request); err != nil {
		return fmt.Errorf("send the QMP command %s to QEMU: %w", command, err)
	}
	select {
	case m, ok := <-q.replies:
		switch {
		case !ok:
			return fmt.Errorf("send the QMP command %s to QEMU: %w", command, errEnded)
		case m.Error != nil:
			return fmt.Errorf("QEMU refuses the QMP command %s: %s", command, m.Error.Desc)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("send the QMP command %s to QEMU: %w", command, context.Cause(ctx))
	}
}

// event returns the last event of a kind.
func (q *qmp) event(kind string) (qmpMessage, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := len(q.events) - 1; i >= 0; i-- {
		if q.events[i].Event == kind {
			return q.events[i], true
		}
	}
	return qmpMessage{}, false
}

// reason returns why the machine stopped: reboot, power-off, panic or watchdog.
func (q *qmp) reason(console string) (string, error) {
	if _, expired := q.event("WATCHDOG"); expired {
		return "watchdog", nil
	}
	if _, panicked := q.event("GUEST_PANICKED"); panicked || kernelPanic(console) {
		return "panic", nil
	}
	e, _ := q.event("SHUTDOWN")
	switch e.Data.Reason {
	case "guest-reset":
		return "reboot", nil
	case "guest-shutdown":
		return "power-off", nil
	case "":
		return "", errors.New("QEMU ended without a reason")
	}
	return "", fmt.Errorf("QEMU ended by %s", e.Data.Reason)
}
