package mcp4725

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/chips/bus"
)

func start(t *testing.T) (*Driver, *Model) {
	t.Helper()
	m := NewModel()
	d, err := New(&bus.I2C{Devices: map[uint16]bus.Device{LightAddress: m}}, LightAddress, "light")
	require.NoError(t, err)
	return d, m
}

func TestOutput(t *testing.T) {
	d, m := start(t)
	require.Zero(t, m.Output(), "the driver switches the output off")
	require.NoError(t, d.SetValue(0.25))
	require.Zero(t, m.Output())
	require.NoError(t, d.On())
	require.InDelta(t, 0.25, m.Output(), 0.001)
	require.NoError(t, d.SetValue(1))
	require.InDelta(t, 1, m.Output(), 0.001)
	require.EqualError(t, d.SetValue(-0.1), "set light: -0.1 is not between 0 and 1")
	require.NoError(t, d.Off())
	require.Zero(t, m.Output())
	value, err := d.Value()
	require.NoError(t, err)
	require.Equal(t, 1.0, value)
}

func TestOutputThatIsNotTaken(t *testing.T) {
	d, m := start(t)
	m.SetStuck(true)
	require.EqualError(t, d.On(), "set light: output is 0 of 4095, want 4095")
	require.False(t, d.IsOn())
}

func TestSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, m := start(t)
		require.NoError(t, d.SetValue(0.75))
		require.NoError(t, d.On())
		begin := time.Now()
		require.NoError(t, d.Save())
		require.GreaterOrEqual(t, time.Since(begin), 25*time.Millisecond)
		require.NoError(t, d.Off())
		m.PowerCycle()
		require.InDelta(t, 0.75, m.Output(), 0.001)

		require.NoError(t, d.Off())
		require.NoError(t, d.Save())
		m.PowerCycle()
		require.Zero(t, m.Output())
	})
}

func TestSaveOfABusyChip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, m := start(t)
		m.busy = time.Now().Add(time.Hour)
		require.ErrorIs(t, d.Save(), ErrBusy)
	})
}

func TestNoChip(t *testing.T) {
	_, err := New(&bus.I2C{}, BubblerAddress, "bubbler")
	require.EqualError(t, err, "set bubbler: no acknowledgement from I2C address 0x60")
}
