package controller

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// Lamp is a light or the bubbler: a device with a brightness or power from 0 to 1.
type Lamp interface {
	On() error
	Off() error
	IsOn() bool
	SetValue(float64) error
	Value() (float64, error)
	Check() error // returns the faults since the last call
}

// lamp answers messages to a Lamp.
type lamp struct {
	Lamp
	part  string // light or bubbler
	board *board

	mu      sync.Mutex
	since   time.Time              // when it was switched on; zero while it is off
	elapsed func(on time.Duration) // is told the operating time; nil: nobody wants it
}

// publish publishes whether the lamp is on, and how bright.
func (l *lamp) publish() (Status, error) {
	value, err := l.Value()
	if err != nil {
		return Status{}, err
	}
	s := Status{Status: "Off", Value: &value}
	if l.IsOn() {
		s.Status = "On"
	}
	l.board.state(l.part, s)
	return s, nil
}

// handle answers the actions that a light and a bubbler have.
func (l *lamp) handle(r *request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	switch r.action {
	case "on":
		value, bad := r.optional("value", -1, 0, 1)
		switch {
		case bad != nil:
			l.board.refuse(l.part, r.message, mistake("", bad))
			return
		case value == 0:
			err = l.off()
		default:
			err = l.on(value)
		}
	case "off":
		err = l.off()
	case "save":
		if s, ok := l.Lamp.(interface{ Save() error }); ok {
			err = s.Save()
		}
	}
	l.answer(r, err)
}

// answer publishes the state after an action, or its error.
func (l *lamp) answer(r *request, err error) {
	var s Status
	if err == nil {
		s, err = l.publish()
	}
	if err != nil {
		l.board.metrics.count("pkcontroller_hardware_errors_total", l.part)
		l.board.refuse(l.part, r.message, Status{Status: "Error, " + err.Error(), Error: err.Error()})
		return
	}
	l.board.respond(r.message, s)
}

func (l *lamp) on(value float64) error {
	if value >= 0 {
		if err := l.SetValue(value); err != nil {
			return err
		}
	}
	if err := l.On(); err != nil {
		return err
	}
	if l.since.IsZero() {
		l.since = time.Now()
	}
	return nil
}

func (l *lamp) off() error {
	if err := l.Off(); err != nil {
		return err
	}
	l.lap()
	l.since = time.Time{}
	return nil
}

// lap tells the operating time since the last call.
func (l *lamp) lap() {
	if l.since.IsZero() {
		return
	}
	on := time.Since(l.since)
	l.since = time.Now()
	l.board.metrics.add("pkcontroller_light_on_seconds_total", l.part, on.Seconds())
	if l.elapsed != nil {
		l.elapsed(on)
	}
}

// watch looks for faults of a lamp that is on, and counts its operating time.
func (l *lamp) watch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lap()
	if !l.IsOn() {
		return
	}
	err := l.Check()
	if err == nil {
		return
	}
	l.board.metrics.count("pkcontroller_hardware_errors_total", l.part)
	l.board.log.Error("lamp", "part", l.part, "error", err)
	l.board.state(l.part, Status{Status: "Error, " + err.Error(), Error: err.Error()})
	if !l.IsOn() {
		l.since = time.Time{}
	}
}

// setCurrent sets the current of an LED in mA, as clients of 2024 do.
func (l *lamp) setCurrent(r *request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	settings, bad := object("settings", r.fields["settings"])
	if bad != nil {
		l.board.refuse(l.part, r.message, mistake("", bad))
		return
	}
	led, ok := l.Lamp.(interface{ SetCurrent(float64) error })
	if isNull(settings["current"]) || !ok {
		text := "Settings request not understood in " + shorten(r.fields["settings"])
		bad := &FieldError{Field: "settings.current", Problem: "is missing", Missing: true}
		if !ok {
			bad = &FieldError{Field: "settings.current", Problem: "does not exist on this HAT, use value of the action on"}
		}
		l.board.refuse(l.part, r.message, mistake(text, bad))
		return
	}
	current, bad := number("settings.current", settings["current"], 0, 376)
	switch {
	case bad != nil:
		l.board.refuse(l.part, r.message, mistake("Error while setting the current, power cycle your machine", bad))
		return
	case l.IsOn():
		err := &FieldError{Field: "settings.current", Problem: "cannot be changed while the light is on"}
		l.board.refuse(l.part, r.message, mistake("Turn off the LED before changing the current", err))
		return
	}
	if err := led.SetCurrent(current); err != nil {
		l.board.refuse(l.part, r.message, Status{Status: "Error while setting the current, power cycle your machine", Error: err.Error()})
		return
	}
	s := Status{Status: fmt.Sprintf("Current set to %vmA", current)}
	l.board.event(l.part, s)
	l.board.respond(r.message, s)
}

// light answers a message on the topic light.
func (c *Controller) light(r *request) {
	_, settings := r.fields["settings"]
	switch {
	case r.action == "on" || r.action == "off" || r.action == "save":
		c.lightLamp.handle(r)
	case settings:
		c.lightLamp.setCurrent(r)
	case r.action == "":
		err := &FieldError{Field: "action", Problem: "is missing, want on, off or save", Missing: true}
		c.board.refuse("light", r.message, mistake("Received message did not contain action or settings", err))
	default:
		c.unknownAction("light", r, "on, off or save")
	}
}

// bubbler answers a message on actuator/bubbler.
func (c *Controller) bubbler(r *request) {
	switch {
	case c.bubblerLamp == nil:
		c.board.refuse("bubbler", r.message, Status{Status: "Error, this HAT has no bubbler", Error: "this HAT has no bubbler"})
	case r.action == "on" || r.action == "off" || r.action == "save":
		c.bubblerLamp.handle(r)
	default:
		c.unknownAction("bubbler", r, "on, off or save")
	}
}

// operatingTime answers a message on led-operating-time.
func (c *Controller) operatingTime(r *request) {
	switch r.action {
	case "reset":
		c.ledTime.set(0)
	case "increment":
		seconds, err := r.number("seconds", 0, 1e9)
		if err != nil {
			c.board.refuse("led-operating-time", r.message, mistake("", err))
			return
		}
		c.ledTime.add(time.Duration(seconds * float64(time.Second)))
	default:
		c.unknownAction("led-operating-time", r, "reset or increment")
		return
	}
	s := c.ledTime.publish()
	c.board.respond(r.message, s)
}

// ledSeconds is the payload of status/led-operating-time.
type ledSeconds struct {
	Seconds int64 `json:"seconds"`
}

func (s ledSeconds) encode() []byte {
	data, _ := json.Marshal(s) // cannot fail
	return data
}
