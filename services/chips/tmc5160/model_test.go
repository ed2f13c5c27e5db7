package tmc5160

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/gpio"

	"github.com/PlanktoScope/pkbuild/services/chips/bus"
)

// start returns a driver of a model that has just been switched on.
func start(t *testing.T, o Options) (*Driver, *Model) {
	t.Helper()
	m := NewModel()
	o.Name = "pump"
	d, err := New(&bus.SPI{Exchange: m.Exchange}, &bus.Pin{Label: "enable", Set: m.Out}, o)
	require.NoError(t, err)
	return d, m
}

func TestMovesTakeTheirDuration(t *testing.T) {
	for _, test := range []struct {
		steps   int64
		speed   float64
		seconds float64
	}{
		{steps: 5235, speed: 17451, seconds: 0.433}, // 0.01 mL at 2 mL/min: 0.3 s, and 0.13 s of acceleration
		{steps: 100, speed: 17451, seconds: 0.055},  // too short for the full speed
		{steps: -20450 * 256, speed: 436266, seconds: 15.33},
		{steps: 1, speed: 100, seconds: 0.0108},
		{steps: 0, speed: 100, seconds: 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			d, m := start(t, Options{})
			expected := d.Duration(test.steps, test.speed)
			begin := time.Now()
			require.NoError(t, d.Move(t.Context(), test.steps, test.speed))
			took := time.Since(begin)
			require.InDelta(t, test.steps, m.Turned(), 0.01)
			if test.steps != 0 {
				require.InEpsilon(t, test.seconds, expected.Seconds(), 0.01)
			}
			require.InDelta(t, expected.Seconds(), took.Seconds(), 2*PollInterval.Seconds())
		})
	}
}

func TestReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, m := start(t, Options{Reverse: true})
		require.NoError(t, d.Move(t.Context(), 1000, 10000))
		require.InDelta(t, -1000, m.Turned(), 0.01)
	})
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, m := start(t, Options{})
		cause := errors.New("stopped by a user")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		require.ErrorIs(t, d.Move(ctx, 1e6, 20000), cause)
		require.InDelta(t, 20000, m.Turned(), 1000)
		turned := m.Turned()
		time.Sleep(time.Hour)
		require.Equal(t, turned, m.Turned())

		require.ErrorIs(t, d.Move(ctx, 1e6, 20000), cause, "a context that has ended moves nothing")
		require.NoError(t, d.Move(t.Context(), -100, 20000))
		require.InDelta(t, turned-100, m.Turned(), 0.01)
	})
}

func TestWrongRevision(t *testing.T) {
	m := NewModel()
	m.SetVersion(0x11)
	_, err := New(&bus.SPI{Exchange: m.Exchange}, &bus.Pin{Set: m.Out}, Options{Name: "focus"})
	require.EqualError(t, err, "configure TMC5160 of motor focus: version is 0x11, want 0x30: check that the HAT is connected")
}

// TestFaultsEndAMove has faults in the middle of a move: it ends with their error, and the motor stands without current.
func TestFaultsEndAMove(t *testing.T) {
	threshold := 5
	broken := errors.New("input/output error")
	for _, test := range []struct {
		name    string
		fault   func(*Model)
		repair  func(*Model)
		err     error
		message string
	}{
		{"bus error", func(m *Model) { m.SetFault(broken) }, func(m *Model) { m.SetFault(nil) }, broken,
			"move motor pump: read register 0x35: input/output error\nwrite register 0x27: input/output error"},
		{"stall", func(m *Model) { m.Stall(true) }, func(m *Model) { m.Stall(false) }, ErrStall, "move motor pump: motor stalled"},
		{"over-temperature", func(m *Model) { m.Heat(true, true) }, func(m *Model) { m.Heat(false, false) }, ErrOverTemperature,
			"move motor pump: driver is too hot and switched itself off"},
		{"short circuit", func(m *Model) { m.Short(true) }, func(m *Model) { m.Short(false) }, ErrShort,
			"move motor pump: short circuit of a motor coil"},
		{"reset", (*Model).Reset, func(*Model) {}, ErrReset, "move motor pump: chip was reset, its supply may have dropped"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, m := start(t, Options{StallThreshold: &threshold})
				time.AfterFunc(time.Second, func() { test.fault(m) })
				err := d.Move(t.Context(), 1e6, 20000)
				require.ErrorIs(t, err, test.err)
				require.EqualError(t, err, test.message)
				turned := m.Turned()
				require.Less(t, turned, 25000.0)
				time.Sleep(time.Minute)
				require.Equal(t, turned, m.Turned())

				test.repair(m)
				require.NoError(t, d.Move(t.Context(), 500, 20000), "the next move works")
				require.InDelta(t, turned+500, m.Turned(), 0.01)
			})
		})
	}
}

func TestStallsAreIgnoredWithoutAThreshold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, m := start(t, Options{})
		m.Stall(true)
		require.NoError(t, d.Move(t.Context(), 1000, 10000))
		require.Zero(t, m.Turned())
	})
}

func TestTemperatureWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, m := start(t, Options{})
		m.Heat(true, false)
		require.NoError(t, d.Move(t.Context(), 1000, 10000))
		require.True(t, d.Hot())
		m.Heat(false, false)
		require.NoError(t, d.Move(t.Context(), 1000, 10000))
		require.False(t, d.Hot())
	})
}

func TestTargetThatWasNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, m := start(t, Options{})
		m.mangle = 1
		require.EqualError(t, d.Move(t.Context(), 1000, 10000), "move motor pump: XTARGET is 1001, want 1000")
		require.InDelta(t, 0, m.Turned(), 1)
	})
}

func TestPositionThatIsNeverReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, m := start(t, Options{})
		time.AfterFunc(100*time.Millisecond, func() { require.NoError(t, d.write(regVMAX, 1)) })
		require.EqualError(t, d.Move(t.Context(), 20000, 20000), "move motor pump: position was not reached within 1.153s")
		require.Less(t, m.Turned(), 20000.0)
	})
}

// TestRampIsIndependentOfTheSteps compares ramps that were computed in one step with ramps in many random ones.
func TestRampIsIndependentOfTheSteps(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		target, vmax := math.Round(random.NormFloat64()*1e4), random.Float64()*3e4
		a, d, v := 1e4+random.Float64()*2e5, 1e4+random.Float64()*2e5, random.NormFloat64()*1e4
		total := random.Float64() * 3
		once, often := ramp{v: v}, ramp{v: v}
		once.toPosition(target, vmax, a, d, total)
		for left := total; left > 0; {
			step := min(random.Float64()*0.05, left)
			often.toPosition(target, vmax, a, d, step)
			left -= step
		}
		require.InDelta(t, once.x, often.x, 1.5, "target %v, vmax %v, a %v, d %v, v %v, after %v s", target, vmax, a, d, v, total)
		once.toPosition(target, vmax, a, d, 1e6)
		require.Equal(t, ramp{x: target}, once)
	}
}

func TestDriverSwitchesTheMotorOffFirst(t *testing.T) {
	m := NewModel()
	require.NoError(t, m.Out(gpio.Low))
	_, err := New(&bus.SPI{Exchange: m.Exchange}, &bus.Pin{Set: m.Out}, Options{})
	require.NoError(t, err)
	require.False(t, m.enabled)
}
