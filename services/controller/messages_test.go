package controller_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/controller"
	"github.com/PlanktoScope/pkbuild/services/mqtt"
)

const microstepsPerML = 2045 * 256.0

func eachVersion(t *testing.T, test func(*testing.T, mqtt.Version)) {
	t.Run("MQTT 3.1.1", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, mqtt.V311) }) })
	t.Run("MQTT 5", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, mqtt.V5) }) })
}

func TestPump(t *testing.T) {
	eachVersion(t, func(t *testing.T, v mqtt.Version) {
		b := start(t, setup{version: v})
		b.ready()
		begin := time.Now()
		b.send("actuator/pump", `{"action":"move","direction":"FORWARD","volume":1,"flowrate":3}`)
		started := b.expect("pump Started")
		duration := started["duration"].(float64)
		require.InDelta(t, 20.2, duration, 0.01, "20 s, and 0.2 s of acceleration")
		b.expect("pump Done")
		require.InDelta(t, duration, time.Since(begin).Seconds(), 0.05)
		require.InDelta(t, microstepsPerML, b.sim.PumpChip.Turned(), 1)

		b.send("actuator/pump", `{"action":"move","direction":"BACKWARD","volume":"0.5","flowrate":"1e9"}`) // strings, as in 2024
		require.InDelta(t, 2.83, b.expect("pump Started")["duration"], 0.01, "limited by the acceleration")
		b.expect("pump Done")
		require.InDelta(t, microstepsPerML/2, b.sim.PumpChip.Turned(), 1)
		b.end()
	})
}

func TestFocus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, setup{})
		b.ready()
		b.send("actuator/focus", `{"action":"move","direction":"UP","distance":2,"speed":1}`)
		require.InDelta(t, 2.08, b.expect("focus Started")["duration"], 0.01)
		b.expect("focus Done")
		require.InDelta(t, 2*40*256, b.sim.FocusChip.Turned(), 1)
		b.send("actuator/focus", `{"action":"move","direction":"DOWN","distance":0.5}`)
		b.expect("focus Started", "focus Done")
		require.InDelta(t, 1.5*40*256, b.sim.FocusChip.Turned(), 1)
		b.end()
	})
}

// TestMovesAreQueued: the controller of 2024 lost all messages but the last one.
func TestMovesAreQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, setup{})
		b.ready()
		for range 3 {
			b.send("actuator/pump", `{"action":"move","direction":"FORWARD","volume":0.1,"flowrate":2}`)
		}
		time.Sleep(time.Second)
		b.send("actuator/focus", `{"action":"move","direction":"UP","distance":0.1}`) // is not held up by the pump
		b.expect("pump Started", "focus Started", "focus Done", "pump Done", "pump Started", "pump Done", "pump Started", "pump Done")
		require.InDelta(t, 0.3*microstepsPerML, b.sim.PumpChip.Turned(), 2)
		b.end()
	})
}

func TestStopDropsWaitingMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, setup{})
		b.ready()
		for range 3 {
			b.send("actuator/pump", `{"action":"move","direction":"FORWARD","volume":1,"flowrate":2}`)
		}
		time.Sleep(3 * time.Second)
		begin := time.Now()
		b.send("actuator/pump", `{"action":"stop"}`)
		b.expect("pump Started", "pump Interrupted")
		require.Less(t, time.Since(begin), 10*time.Millisecond)
		b.quiet()
		require.InDelta(t, 0.1*microstepsPerML, b.sim.PumpChip.Turned(), 0.02*microstepsPerML)
		b.end()
	})
}

func TestQueueIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, setup{})
		b.ready()
		const move = `{"action":"move","direction":"FORWARD","volume":1,"flowrate":2}`
		b.send("actuator/pump", move)
		b.expect("pump Started")
		for range 69 {
			b.send("actuator/pump", move)
		}
		for range 5 {
			b.expect("pump Error, too many moves are waiting")
		}
		b.send("actuator/pump", `{"action":"stop"}`)
		b.expect("pump Interrupted")
		b.end()
	})
}

func TestLight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, setup{})
		b.ready()
		b.send("light", `{"action":"on"}`)
		b.expect("light On")
		require.InDelta(t, 10, b.sim.LED.Current(), 3)
		b.send("light", `{"settings":{"current":20}}`)
		b.expect("light Turn off the LED before changing the current")
		b.send("light", `{"action":"off"}`)
		b.expect("light Off")
		b.send("light", `{"settings":{"current":20}}`)
		b.expect("light Current set to 20mA")
		b.send("light", `{"settings":{"current":"20"}}`)
		b.expect("light Current set to 20mA")
		b.send("light", `{"settings":{"current":377}}`)
		b.expect("light Error while setting the current, power cycle your machine")
		b.send("light", `{"settings":{"colour":1}}`)
		b.expect(`light Settings request not understood in {"colour":1}`)
		b.send("light", `{}`)
		b.expect("light Received message did not contain action or settings")

		// of 2026
		b.send("light", `{"action":"on","value":0.5}`)
		require.InDelta(t, 0.5, b.expect("light On")["value"], 0.01)
		require.InDelta(t, 188, b.sim.LED.Current(), 3)
		b.send("light", `{"action":"on","value":0}`)
		b.expect("light Off")
		require.Zero(t, b.sim.LED.Current())
		b.send("light", `{"action":"save"}`)
		b.expect("light Off")
		b.end()
	})
}

func TestNewHAT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := controller.DefaultHardware()
		h.HATVersion = 3.3
		b := start(t, setup{hardware: &h})
		b.ready()
		b.send("light", `{"action":"on","value":0.25}`)
		require.Equal(t, 0.25, b.expect("light On")["value"])
		require.InDelta(t, 0.25, b.sim.LightDAC.Output(), 0.001)
		b.send("light", `{"settings":{"current":20}}`)
		b.expect(`light Settings request not understood in {"current":20}`)
		b.send("actuator/bubbler", `{"action":"on","value":0.5}`)
		b.expect("bubbler On")
		require.InDelta(t, 0.5, b.sim.BubblerDAC.Output(), 0.001)
		b.send("light", `{"action":"save"}`)
		b.expect("light On")
		b.end()
		require.Zero(t, b.sim.LightDAC.Output(), "the light is off when the controller has ended")
		require.Zero(t, b.sim.BubblerDAC.Output())
	})
}

func TestOperatingTimeOfTheLight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := start(t, setup{dir: dir})
		b.ready()
		b.send("light", `{"action":"on"}`)
		b.expect("light On")
		time.Sleep(90*time.Minute + 100*time.Millisecond)
		b.send("light", `{"action":"off"}`)
		b.expect("light Off")
		b.send("led-operating-time", `{"action":"increment","seconds":60}`)
		b.expect(`led-operating-time {"seconds":5460}`)

		b.stop()
		require.NoError(t, <-b.ended)
		b.ready()
		b.run(setup{dir: dir})
		b.ready()
		b.send("led-operating-time", `{"action":"increment","seconds":1}`)
		b.expect(`led-operating-time {"seconds":5461}`)
		b.send("led-operating-time", `{"action":"reset"}`)
		b.expect(`led-operating-time {"seconds":0}`)
		b.end()
	})
}

// TestResponses: clients of 2026 wait for an answer on their response topic.
func TestResponses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, setup{})
		b.ready()
		request := func(topic, payload string) {
			b.client.Publish(mqtt.Message{Topic: topic, Payload: []byte(payload), ResponseTopic: "answers", Correlation: []byte("c-" + topic)})
		}
		answer := func(topic, status string) {
			t.Helper()
			for {
				select {
				case m := <-b.got:
					if m.Topic != "answers" {
						continue
					}
					require.Equal(t, "c-"+topic, string(m.Correlation))
					require.Contains(t, string(m.Payload), status)
					require.EqualValues(t, 1, m.QoS)
				case <-time.After(time.Hour):
					require.Fail(t, "no answer", "%s %s", topic, status)
				}
				return
			}
		}
		request("actuator/pump", `{"action":"move","direction":"FORWARD","volume":1,"flowrate":2}`)
		begin := time.Now()
		answer("actuator/pump", `"status":"Done"`)
		require.InDelta(t, 30, time.Since(begin).Seconds(), 1, "the answer comes at the end of the move")
		request("actuator/pump", `{"action":"move","direction":"UP","volume":1,"flowrate":2}`)
		answer("actuator/pump", `"field":"direction"`)
		request("actuator/pump", `{"action":"get-configuration"}`)
		answer("actuator/pump", `{"pump_steps_per_ml":2045}`)
		request("actuator/pump", `{"action":"set-configuration","pump_steps_per_ml":2100}`)
		answer("actuator/pump", `Configuration updated`)
		request("actuator/pump", `{"action":"get-configuration"}`)
		answer("actuator/pump", `{"pump_steps_per_ml":2100}`)
		h, err := controller.ReadHardware(b.options.HardwareFile)
		require.NoError(t, err)
		require.Equal(t, 2100.0, h.PumpStepsPerML)
		request("light", `{"action":"on","value":0.5}`)
		answer("light", `"status":"On"`)
		request("actuator/bubbler", `{"action":"on"}`)
		answer("actuator/bubbler", `this HAT has no bubbler`)
		request("imager/image", `{"action":"update_config","config":{}}`)
		answer("imager/image", `Config updated`)
		request("imager/image", `{"action":"capture"}`)
		answer("imager/image", `{"action":"capture","jpeg":"`)
		b.end()
	})
}

func TestDisplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, setup{change: func(_ *controller.Simulation, o *controller.Options) {
			o.Screen = func() []string { return []string{"metal-slope-23", "192.168.4.1"} }
		}})
		b.ready()
		// SIMULATED and the name, then the address: two lines fit.
		first := b.sim.Screen.String()
		time.Sleep(5 * time.Second)
		second := b.sim.Screen.String()
		require.NotEqual(t, first, second)
		time.Sleep(5 * time.Second)
		require.Equal(t, first, b.sim.Screen.String())
		b.send("display", `{"action":"configure","config":{"status":"net is clogged"}}`)
		b.expect("display Done")
		time.Sleep(5 * time.Second)
		require.NotEqual(t, second, b.sim.Screen.String(), "the text follows the address")
		b.send("display", `{"action":"clear"}`)
		b.expect("display Done")
		require.Empty(t, strings.TrimSpace(b.sim.Screen.String()))
		time.Sleep(time.Minute)
		require.Empty(t, strings.TrimSpace(b.sim.Screen.String()))
		b.end()
	})
}

func TestNoDisplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, setup{change: func(s *controller.Simulation, _ *controller.Options) { s.Display = nil }})
		b.ready()
		b.send("display", `{"action":"clear"}`)
		b.expect("display Error, this HAT has no display")
		b.end()
	})
}
