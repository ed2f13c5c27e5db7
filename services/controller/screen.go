package controller

import (
	"context"
	"sync"
	"time"
)

// Display is a display for lines of text. Show may show a part of the lines at a time; Clear empties the display.
type Display interface {
	Show(lines []string) error
	Clear() error
}

// screen keeps the display up to date.
type screen struct {
	c *Controller

	mu     sync.Mutex
	status string // text of the last configure
	blank  bool
}

// screenInterval is the time between two looks at what the display should show.
const screenInterval = 5 * time.Second

func newScreen(c *Controller) *screen { return &screen{c: c} }

// lines returns what the display should show now.
func (s *screen) lines() []string {
	lines := []string{s.c.options.MachineName}
	if s.c.options.Screen != nil {
		lines = s.c.options.Screen()
	}
	if s.c.instrument.Simulated {
		lines = append([]string{"SIMULATED"}, lines...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status != "" {
		lines = append(lines, s.status)
	}
	return lines
}

func (s *screen) run(ctx context.Context) {
	if s.c.instrument.Display == nil {
		return
	}
	tick := time.NewTicker(screenInterval)
	defer tick.Stop()
	for {
		if err := s.update(); err != nil {
			s.c.options.Metrics.count("pkcontroller_hardware_errors_total", "display")
			s.c.options.Log.Warn("display", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			_ = s.c.instrument.Display.Clear()
			return
		}
	}
}

func (s *screen) update() error {
	lines := s.lines()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blank {
		return nil
	}
	return s.c.instrument.Display.Show(lines)
}

// handle answers a message on the topic display.
func (s *screen) handle(r *request) {
	b := s.c.board
	switch {
	case s.c.instrument.Display == nil:
		b.refuse("display", r.message, Status{Status: "Error, this HAT has no display", Error: "this HAT has no display"})
		return
	case r.action == "configure":
		config, err := object("config", r.fields["config"])
		if err != nil {
			b.refuse("display", r.message, mistake("", err))
			return
		}
		status, err := (&request{fields: config}).text("status")
		if err != nil {
			err.Field = "config.status"
			b.refuse("display", r.message, mistake("", err))
			return
		}
		s.set(shorten([]byte(status)), false)
	case r.action == "clear":
		s.set("", true)
	default:
		s.c.unknownAction("display", r, "configure or clear")
		return
	}
	var err error
	if r.action == "clear" {
		err = s.c.instrument.Display.Clear()
	} else {
		err = s.update()
	}
	b.event("display", result(err))
	b.respond(r.message, result(err))
}

func (s *screen) set(status string, blank bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.blank = status, blank
}
