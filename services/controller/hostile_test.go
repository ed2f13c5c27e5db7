package controller_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/controller"
	"github.com/PlanktoScope/pkbuild/services/dataset"
	"github.com/PlanktoScope/pkbuild/services/mqtt"
)

// bad are values that no field of a move takes.
var bad = []string{
	`null`, `""`, `"x"`, `[]`, `{}`, `-1`, `-1e-9`, `1e400`, `"NaN"`, `"Infinity"`, `"-inf"`, `true`, `[1]`, `{"a":1}`, `"1 mL"`, `"0x"`,
	`"` + strings.Repeat("9", 5000) + `"`, strings.Repeat("[", 200) + strings.Repeat("]", 200), `"\u0000"`, `"FORWARD\u0000"`, `"forward"`,
}

// templates are messages whose field BAD gets a bad value. None of them moves anything.
var templates = []struct{ topic, payload string }{
	{"actuator/pump", `{"action":"move","direction":BAD,"volume":1,"flowrate":1}`},
	{"actuator/pump", `{"action":"move","direction":"FORWARD","volume":BAD,"flowrate":1}`},
	{"actuator/pump", `{"action":"move","direction":"BACKWARD","volume":1,"flowrate":BAD}`},
	{"actuator/pump", `{"action":BAD,"direction":"FORWARD","volume":1,"flowrate":1}`},
	{"actuator/pump", `{"action":"set-configuration","pump_steps_per_ml":BAD}`},
	{"actuator/pump", `{"action":"get-configuration","x":BAD}`},
	{"actuator/focus", `{"action":"move","direction":BAD,"distance":1}`},
	{"actuator/focus", `{"action":"move","direction":"UP","distance":BAD}`},
	{"actuator/focus", `{"action":"move","direction":"UP","distance":46,"speed":BAD}`},
	{"actuator/bubbler", `{"action":"on","value":BAD}`},
	{"light", `{"action":"on","value":BAD}`},
	{"light", `{"settings":{"current":BAD}}`},
	{"light", `{"settings":BAD}`},
	{"led-operating-time", `{"action":"increment","seconds":BAD}`},
	{"imager/image", `{"action":"image","nb_frame":BAD,"sleep":0,"volume":1,"pump_direction":"FORWARD"}`},
	{"imager/image", `{"action":"image","nb_frame":3,"sleep":0,"volume":1,"pump_direction":"FORWARD"}`}, // busy
	{"imager/image", `{"action":"update_config","config":BAD}`},
	{"imager/image", `{"action":"settings","settings":BAD}`},
	{"imager/image", `{"action":"settings","settings":{"shutter_speed":BAD}}`},
	{"imager/image", `{"action":"settings","settings":{"white_balance_gain":{"red":BAD}}}`},
	{"imager/other", `{"action":BAD}`},
	{"display", `{"action":"configure","config":{"status":BAD}}`},
	{"display", `{"action":"configure","config":BAD}`},
}

func hostile(r *rand.Rand) (topic string, payload []byte) {
	t := templates[r.IntN(len(templates))]
	payload = []byte(strings.ReplaceAll(t.payload, "BAD", bad[r.IntN(len(bad))]))
	switch r.IntN(6) {
	case 0: // random bytes
		payload = binary.LittleEndian.AppendUint64(nil, r.Uint64())
	case 1: // cut
		payload = payload[:r.IntN(len(payload))]
	case 2: // one byte changed within a message that is wrong anyway
		if i := r.IntN(len(payload)); strings.Contains(t.payload, "BAD") {
			payload[i] ^= byte(1 << r.IntN(8))
			if strings.HasPrefix(t.topic, "actuator") { // it may have become right
				payload[0] = '['
			}
		}
	}
	return t.topic, payload
}

// TestHostileMessages sends 10,000 messages, none of which may move anything, during an acquisition and moves of the focus. Each
// gets one answer, and the acquisition and the moves are made exactly.
func TestHostileMessages(t *testing.T) {
	const total, batch, frames = 10000, 100, 12
	synctest.Test(t, func(t *testing.T) {
		b := start(t, setup{})
		b.ready()
		answers := make(chan mqtt.Message, 2*total)
		attacker := b.connect("attacker", mqtt.V5, answers, "attacker/answers")
		b.send("imager/image", config)
		b.send("imager/image", fmt.Sprintf(image, frames))
		b.send("actuator/focus", `{"action":"move","direction":"UP","distance":20,"speed":2}`)
		time.Sleep(100 * time.Millisecond)

		r := rand.New(rand.NewPCG(1, 2))
		for i := range total {
			topic, payload := hostile(r)
			attacker.Publish(mqtt.Message{Topic: topic, Payload: payload, QoS: 1, ResponseTopic: "attacker/answers", Correlation: fmt.Append(nil, i)})
			if i%batch == batch-1 {
				time.Sleep(100 * time.Millisecond)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		answered := map[string]int{}
		for len(answers) > 0 {
			m := <-answers
			require.True(t, json.Valid(m.Payload), "%s", m.Payload)
			answered[string(m.Correlation)]++
		}
		require.Len(t, answered, total, "every message has an answer")
		for id, n := range answered {
			require.Equal(t, 1, n, "answers to message %s", id)
		}
		require.InDelta(t, frames*math.Round(0.01*microstepsPerML), b.sim.PumpChip.Turned(), 1)
		require.InDelta(t, 20*40*256, b.sim.FocusChip.Turned(), 1)
		found, err := dataset.Pictures(b.dataset())
		require.NoError(t, err)
		require.Len(t, found, frames)
		require.NoError(t, dataset.Verify(b.dataset()))

		b.ready() // drop the statuses
		b.send("actuator/pump", `{"action":"move","direction":"FORWARD","volume":0.1,"flowrate":2}`)
		b.expect("pump Started", "pump Done")
		require.NoError(t, attacker.Close(t.Context()))
		b.end()
	})
}

// usage is what a process holds.
type usage struct {
	heap              uint64
	goroutines, files int
	descriptors       int
}

func measure(t *testing.T, dir string) usage {
	t.Helper()
	var u usage
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.heap, u.goroutines = m.HeapAlloc, runtime.NumGoroutine()
	require.NoError(t, filepath.WalkDir(dir, func(string, os.DirEntry, error) error { u.files++; return nil }))
	descriptors, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	u.descriptors = len(descriptors)
	return u
}

// TestDay works for 24 hours of the fake clock: the controller needs no more memory, files or goroutines at the end.
func TestDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, setup{change: func(_ *controller.Simulation, o *controller.Options) { o.Metrics = new(controller.Metrics) }})
		b.ready()
		begin := time.Now()
		var first, last usage
		cycles := 0
		for ; time.Since(begin) < 24*time.Hour; cycles++ {
			b.send("light", `{"action":"on"}`)
			b.expect("light On")
			b.send("actuator/focus", fmt.Sprintf(`{"action":"move","direction":%q,"distance":1}`, []string{"UP", "DOWN"}[cycles%2]))
			b.expect("focus Started", "focus Done")
			b.send("imager/image", config)
			b.send("imager/image", fmt.Sprintf(image, 3))
			b.expect("imager Config updated", "imager Started")
			for i := range 3 {
				b.picture(i+1, 3)
			}
			b.expect("imager Done")
			require.NoError(t, dataset.Verify(b.dataset()))
			require.NoError(t, os.RemoveAll(b.dataset())) // as if the user had copied it
			b.send("light", `{"action":"off"}`)
			b.expect("light Off")
			require.True(t, b.broker.Disconnect("pkcontroller"), "the broker was restarted")
			time.Sleep(time.Hour)
			synctest.Wait()
			for len(b.got) > 0 {
				<-b.got
			}
			if last = measure(t, b.options.DataDir); cycles == 4 {
				first = last
			}
		}
		require.GreaterOrEqual(t, cycles, 23)
		require.Equal(t, first.goroutines, last.goroutines)
		require.Equal(t, first.files, last.files)
		require.Equal(t, first.descriptors, last.descriptors)
		require.InDelta(t, float64(first.heap), float64(last.heap), 1<<20)
		t.Logf("%d cycles; at first %+v, at last %+v", cycles, first, last)
		b.end()
	})
}

func FuzzMessage(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		topic, payload := hostile(r)
		f.Add(topic, payload)
	}
	f.Add("imager/image", []byte(fmt.Sprintf(image, 2)))
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		status := controller.CheckMessage(topic, payload)
		if status.Status == "" && status.Error != "" {
			t.Errorf("%q has no status", status.Error)
		}
		if _, err := json.Marshal(status); err != nil {
			t.Error(err)
		}
	})
}

func FuzzHardware(f *testing.F) {
	f.Add([]byte(`{"stepper_reverse":0,"pump_steps_per_ml":507,"hat_version":3.3,"red_gain":"2.4"}`))
	f.Add([]byte(`{"stepper_type":"adafruit","pump_max_speed":1e999,"process_pixel_fixed":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := controller.ParseHardware(data)
		if err != nil {
			return
		}
		for _, v := range []float64{h.PumpStepsPerML, h.FocusStepsPerMM, h.PumpMaxSpeed, h.FocusMaxSpeed, h.PixelSize} {
			if !(v > 0) || math.IsInf(v, 0) {
				t.Errorf("%+v", h)
			}
		}
	})
}

func TestHardware(t *testing.T) {
	h, err := controller.ParseHardware([]byte(`{"stepper_reverse":1,"pump_steps_per_ml":507,"hat_version":"3.3","pump_max_speed":30,"other":[1]}`))
	require.NoError(t, err)
	require.True(t, h.StepperReverse)
	require.Equal(t, 507.0, h.PumpStepsPerML)
	require.Equal(t, 30.0, h.PumpMaxSpeed)
	h, err = controller.ParseHardware([]byte(`{"hat_version":3.3}`))
	require.NoError(t, err)
	require.Equal(t, 3220.0, h.PumpStepsPerML)
	require.Equal(t, 20.0, h.PumpMaxSpeed)
	_, err = controller.ParseHardware([]byte(`{"pump_steps_per_ml":0,"focus_max_speed":"fast","stepper_reverse":2,"stepper_type":"adafruit"}`))
	require.EqualError(t, err, "read hardware.json: pump_steps_per_ml is 0, want 1 to 1e+06\n"+
		`read hardware.json: focus_max_speed is "fast", want a number`+"\n"+
		"read hardware.json: stepper_reverse is 2, want 0 or 1\n"+
		"read hardware.json: stepper_type is adafruit, want pscope_hat: the Adafruit HAT is not supported")
	_, err = controller.ParseHardware([]byte(`[]`))
	require.EqualError(t, err, "read hardware.json: want a JSON object")
	h, err = controller.ReadHardware(filepath.Join(t.TempDir(), "hardware.json"))
	require.NoError(t, err)
	require.Equal(t, controller.DefaultHardware(), h)
}
