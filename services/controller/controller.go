// Package controller is the hardware controller of a PlanktoScope: it turns messages on MQTT into moves of the pump and the focus,
// light, pictures and data sets. It serves clients of the PlanktoScope OS of 2024 and of 2026. docs/controller.md describes the
// messages.
//
// The package does not process pictures, and knows no web pages.
package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/PlanktoScope/pkbuild/services/camera"
	"github.com/PlanktoScope/pkbuild/services/chips/hateeprom"
	"github.com/PlanktoScope/pkbuild/services/chips/tmc5160"
	"github.com/PlanktoScope/pkbuild/services/mqtt"
)

// Instrument is the hardware that a controller works with: motors, light, bubbler, display and camera, real or
// simulated.
type Instrument struct {
	Simulated   bool
	Pump, Focus *tmc5160.Driver
	Light       Lamp
	Bubbler     Lamp                // nil before HAT 3.3
	Camera      camera.Camera       // nil if none was found
	Display     Display             // nil if there is none
	HAT         *hateeprom.Contents // what the HAT's EEPROM says; nil if it was not read
}

// Options are the broker, directories and other settings of a Controller.
type Options struct {
	Broker       string // host:port
	Version      mqtt.Version
	Dial         func(context.Context) (net.Conn, error) // nil: TCP to Broker
	HardwareFile string                                  // hardware.json
	DataDir      string                                  // has img and captures
	StateDir     string                                  // has the operating time of the light; empty: it is not kept
	MachineName  string
	Screen       func() []string // lines of the display at rest; nil: the machine name
	Log          *slog.Logger
	Metrics      *Metrics

	// FreeSpace returns the bytes that are free for an unprivileged user below a directory. Nil asks the file system.
	FreeSpace func(dir string) (uint64, error)
}

// Controller controls an instrument (pump, focus, light and camera) by messages over MQTT, until its context ends.
type Controller struct {
	options    Options
	instrument Instrument
	board      *board

	pumpAxis, focusAxis    *axis
	lightLamp, bubblerLamp *lamp
	ledTime                *ledTime
	imager                 *imager
	screen                 *screen

	mu sync.Mutex
	hw Hardware

	messages chan mqtt.Message
}

// subscriptions are the topics of the controller's messages.
var subscriptions = []string{
	"actuator/pump", "actuator/focus", "actuator/bubbler", "light", "led-operating-time", "imager/#", "display",
}

// parts are those whose state becomes Dead when the controller ends.
func (c *Controller) parts() []string {
	parts := []string{"imager", "pump", "focus", "light"}
	if c.bubblerLamp != nil {
		parts = append(parts, "bubbler")
	}
	return parts
}

// New returns a controller of an instrument, which connects to the MQTT broker in the background and handles messages once
// Run is called. It fails if the options of the connection are unusable, not if the broker is unreachable.
func New(ctx context.Context, i Instrument, h Hardware, o Options) (*Controller, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Metrics == nil {
		o.Metrics = new(Metrics)
	}
	if o.FreeSpace == nil {
		o.FreeSpace = freeSpace
	}
	c := &Controller{options: o, instrument: i, hw: h, messages: make(chan mqtt.Message, 256)}
	c.board = &board{simulated: i.Simulated, log: o.Log, metrics: o.Metrics, states: map[string][]byte{}}
	c.pumpAxis, c.focusAxis = newAxis("pump", i.Pump, c.board), newAxis("focus", i.Focus, c.board)
	c.lightLamp = &lamp{Lamp: i.Light, part: "light", board: c.board}
	if i.Bubbler != nil {
		c.bubblerLamp = &lamp{Lamp: i.Bubbler, part: "bubbler", board: c.board}
	}
	c.ledTime = newLEDTime(statePath(o.StateDir, "led-operating-time.json"), c.board)
	c.lightLamp.elapsed = c.ledTime.add
	c.imager = newImager(c)
	c.screen = newScreen(c)
	o.Metrics.set("pkcontroller_simulated", "", map[bool]float64{true: 1}[i.Simulated])

	var err error
	// The connection outlives ctx, so that the last statuses are published.
	c.board.client, err = mqtt.Open(context.WithoutCancel(ctx), mqtt.Options{
		Broker: o.Broker, ClientID: "pkcontroller", Version: o.Version, Dial: o.Dial, Log: o.Log,
		Subscribe: subscriptions, Wills: c.wills(), Reconnected: c.reconnected,
		Receive: func(m mqtt.Message) { c.messages <- m },
	})
	return c, err
}

func (c *Controller) wills() []mqtt.Message {
	var wills []mqtt.Message
	for _, part := range c.parts() {
		wills = append(wills, mqtt.Message{Topic: "status/" + part, Payload: c.board.encode(Status{Status: "Dead"}), QoS: 1, Retain: true})
	}
	return wills
}

// reconnected publishes the states that a will may have replaced.
func (c *Controller) reconnected(connection int) {
	if connection == 0 {
		c.board.again("")
		c.ledTime.publish()
		return
	}
	c.board.again(c.parts()[connection])
}

// Run handles MQTT messages until ctx ends. It then stops all motors, switches the light and the bubbler off, publishes that
// the controller has ended, and closes the camera and the connection. It returns the errors of this end; nil if there are
// none.
func (c *Controller) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, f := range []func(context.Context){c.pumpAxis.run, c.focusAxis.run, c.imager.run, c.screen.run, c.watch} {
		running.Go(func() { f(ctx) })
	}
	c.start()
	for ctx.Err() == nil {
		select {
		case m := <-c.messages:
			c.options.Metrics.count("pkcontroller_messages_total", "")
			c.handle(m)
		case <-ctx.Done():
		}
	}
	cancel()
	running.Wait()
	return c.end()
}

// start publishes that the parts are ready. The imager follows when it has its camera. Clients of 2024 wait for Ready, those of 2026
// for On or Off.
func (c *Controller) start() {
	c.board.state("pump", Status{Status: "Ready"})
	c.board.state("focus", Status{Status: "Ready"})
	c.board.event("light", Status{Status: "Ready"})
	for _, l := range []*lamp{c.lightLamp, c.bubblerLamp} {
		if l == nil {
			continue
		}
		if _, err := l.publish(); err != nil {
			c.board.state(l.part, Status{Status: "Error, " + err.Error(), Error: err.Error()})
		}
	}
	c.ledTime.publish()
}

func (c *Controller) end() error {
	var errs []error
	for _, l := range []*lamp{c.lightLamp, c.bubblerLamp} {
		if l != nil {
			l.mu.Lock()
			errs = append(errs, l.off())
			l.mu.Unlock()
		}
	}
	for _, part := range c.parts() {
		c.board.state(part, Status{Status: "Dead"})
	}
	if c.instrument.Camera != nil {
		errs = append(errs, c.instrument.Camera.Close())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return errors.Join(append(errs, c.board.client.Close(ctx))...)
}

// handle answers a message. A message that is not understood gets a status that names its field.
func (c *Controller) handle(m mqtt.Message) {
	part, f := c.part(m.Topic)
	if f == nil {
		return
	}
	r, err := parse(m)
	if err != nil {
		c.board.refuse(part, m, mistake("", err))
		return
	}
	f(r)
}

// part returns the part that a topic is for, and its function.
func (c *Controller) part(topic string) (string, func(*request)) {
	switch topic {
	case "actuator/pump":
		return "pump", c.pump
	case "actuator/focus":
		return "focus", c.focus
	case "actuator/bubbler":
		return "bubbler", c.bubbler
	case "light":
		return "light", c.light
	case "led-operating-time":
		return "led-operating-time", c.operatingTime
	case "display":
		return "display", c.screen.handle
	}
	if topic == "imager" || strings.HasPrefix(topic, "imager/") {
		return "imager", c.imager.handle
	}
	return "", nil
}

// watch looks after the lamps every minute.
func (c *Controller) watch(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.lightLamp.watch()
			if c.bubblerLamp != nil {
				c.bubblerLamp.watch()
			}
		case <-ctx.Done():
			return
		}
	}
}

func (c *Controller) hardware() Hardware {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hw
}

func statePath(dir, name string) string {
	if dir == "" {
		return ""
	}
	return fmt.Sprintf("%s/%s", dir, name)
}
