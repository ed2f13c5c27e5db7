package controller

import (
	"encoding/json"
	"os"
	"sync"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/services/mqtt"
)

// ledTime is the operating time of the light, kept in a file.
type ledTime struct {
	file  string // empty: the time is lost at the end
	board *board

	mu    sync.Mutex
	total time.Duration
}

// newLEDTime reads the time from a file. A file that cannot be read counts as 0.
func newLEDTime(file string, b *board) *ledTime {
	t := &ledTime{file: file, board: b}
	var s ledSeconds
	if data, err := os.ReadFile(file); err == nil && json.Unmarshal(data, &s) == nil && s.Seconds > 0 {
		t.total = time.Duration(s.Seconds) * time.Second
	}
	return t
}

func (t *ledTime) add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.store(t.total + d)
}

func (t *ledTime) set(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.store(d)
}

func (t *ledTime) store(d time.Duration) {
	t.total = d
	if t.file == "" {
		return
	}
	if err := atomicfile.Write(t.file, t.seconds().encode(), 0o644); err != nil {
		t.board.log.Error("save operating time of the light", "error", err)
	}
}

func (t *ledTime) seconds() ledSeconds { return ledSeconds{int64(t.total / time.Second)} }

// publish publishes the time, which the broker retains.
func (t *ledTime) publish() ledSeconds {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.seconds()
	t.board.client.Publish(mqtt.Message{Topic: "status/led-operating-time", Payload: s.encode(), QoS: 1, Retain: true})
	return s
}
