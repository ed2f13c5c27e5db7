package controller_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/controller"
	"github.com/PlanktoScope/pkbuild/services/mqtt"
	"github.com/PlanktoScope/pkbuild/services/mqtt/mqtttest"
	"github.com/PlanktoScope/pkbuild/services/plankton"
)

// bench is a controller of simulated hardware with a broker and a client, in a bubble of synctest.
type bench struct {
	t       *testing.T
	broker  *mqtttest.Broker
	sim     *controller.Simulation
	options controller.Options
	client  *mqtt.Client
	got     chan mqtt.Message
	stop    context.CancelFunc
	ended   <-chan error
}

// setup is what a test changes about a bench.
type setup struct {
	version  mqtt.Version
	hardware *controller.Hardware
	dir      string // of the data; empty: a new one
	change   func(*controller.Simulation, *controller.Options)
}

func smallWorld() *plankton.World {
	p := plankton.Default()
	p.Width, p.Height, p.Objects = 160, 120, 1
	return plankton.New(p)
}

func start(t *testing.T, s setup) *bench {
	t.Helper()
	b := &bench{t: t, broker: mqtttest.Start(t), got: make(chan mqtt.Message, 100000)}
	b.client = b.connect("client", s.version, b.got, "status/#", "answers")
	b.run(s)
	return b
}

func (b *bench) connect(id string, v mqtt.Version, got chan mqtt.Message, topics ...string) *mqtt.Client {
	c, err := mqtt.Open(b.t.Context(), mqtt.Options{
		Broker: "test", ClientID: id, Version: v, Dial: b.broker.Dial, Subscribe: topics, Log: slog.New(slog.DiscardHandler),
		Receive: func(m mqtt.Message) { got <- m },
	})
	require.NoError(b.t, err)
	synctest.Wait()
	return c
}

// run starts the controller.
func (b *bench) run(s setup) {
	h := controller.DefaultHardware()
	if s.hardware != nil {
		h = *s.hardware
	}
	var err error
	b.sim, err = controller.Simulate(h, smallWorld())
	require.NoError(b.t, err)
	if s.dir == "" {
		s.dir = b.t.TempDir()
	}
	b.options = controller.Options{
		Broker: "test", Version: s.version, Dial: b.broker.Dial, DataDir: s.dir, StateDir: s.dir,
		HardwareFile: filepath.Join(s.dir, "hardware.json"), MachineName: "metal-slope-23", Log: slog.New(slog.DiscardHandler),
	}
	if s.change != nil {
		s.change(b.sim, &b.options)
	}
	ctx, stop := context.WithCancel(b.t.Context())
	b.stop = stop
	c, err := controller.New(ctx, b.sim.Instrument, h, b.options)
	require.NoError(b.t, err)
	ended := make(chan error, 1)
	b.ended = ended
	go func() {
		ended <- c.Run(ctx)
		close(ended)
	}()
	b.t.Cleanup(func() {
		stop()
		for range ended {
		}
	})
}

// end stops the controller and the broker.
func (b *bench) end() {
	b.t.Helper()
	b.stop()
	require.NoError(b.t, <-b.ended)
	synctest.Wait()
	require.NoError(b.t, b.client.Close(b.t.Context()))
	b.broker.Stop()
}

func (b *bench) send(topic, payload string) {
	b.client.Publish(mqtt.Message{Topic: topic, Payload: []byte(payload)})
}

// next returns the next message on a status topic, without the key hardware, which it checks.
func (b *bench) next() (topic string, payload map[string]any) {
	b.t.Helper()
	select {
	case m := <-b.got:
		require.NoError(b.t, json.Unmarshal(m.Payload, &payload), "%s", m.Payload)
		if _, ok := payload["status"]; ok {
			require.Equal(b.t, "simulated", payload["hardware"])
		}
		delete(payload, "hardware")
		return m.Topic, payload
	case <-time.After(time.Hour):
		require.Fail(b.t, "no message within an hour")
	}
	return "", nil
}

// expect reads messages, each "PART TEXT", in order. The text is the status or, without one, the payload.
func (b *bench) expect(want ...string) (last map[string]any) {
	b.t.Helper()
	for _, w := range want {
		topic, payload := b.next()
		text, ok := payload["status"].(string)
		if !ok {
			data, err := json.Marshal(payload)
			require.NoError(b.t, err)
			text = string(data)
		}
		require.Equal(b.t, w, strings.TrimPrefix(topic, "status/")+" "+text)
		last = payload
	}
	return last
}

// ready reads the messages of the start, whose order depends on the parts.
func (b *bench) ready() {
	b.t.Helper()
	time.Sleep(time.Second)
	synctest.Wait()
	for len(b.got) > 0 {
		<-b.got
	}
}

// quiet fails if a message comes within a minute.
func (b *bench) quiet() {
	b.t.Helper()
	time.Sleep(time.Minute)
	synctest.Wait()
	select {
	case m := <-b.got:
		require.Failf(b.t, "unexpected message", "%s %s", m.Topic, m.Payload)
	default:
	}
}

func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, setup{})
		time.Sleep(time.Second)
		byPart := map[string][]string{}
		for len(b.got) > 0 {
			topic, payload := b.next()
			if s, ok := payload["status"].(string); ok {
				byPart[topic] = append(byPart[topic], s)
			} else {
				data, _ := json.Marshal(payload)
				byPart[topic] = append(byPart[topic], string(data))
			}
		}
		require.Equal(t, map[string][]string{
			"status/pump": {"Ready"}, "status/focus": {"Ready"}, "status/light": {"Ready", "Off"},
			"status/imager":             {"Starting up", `{"camera_name":"simulated"}`, "Ready"},
			"status/led-operating-time": {`{"seconds":0}`},
		}, byPart)

		// A client that comes later gets the states, which the broker retains.
		got := make(chan mqtt.Message, 10)
		late := b.connect("late", mqtt.V311, got, "status/#")
		synctest.Wait()
		require.Len(t, got, 5)
		for range 5 {
			require.True(t, (<-got).Retain)
		}
		require.NoError(t, late.Close(t.Context()))

		b.stop()
		b.expect("imager Dead", "pump Dead", "focus Dead", "light Dead")
		b.end()
	})
}
