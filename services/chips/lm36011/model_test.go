package lm36011

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/chips/bus"
)

func start(t *testing.T) (*Driver, *Model, *bus.I2C) {
	t.Helper()
	m := NewModel()
	b := &bus.I2C{Devices: map[uint16]bus.Device{Address: m}}
	d, err := New(b)
	require.NoError(t, err)
	return d, m, b
}

func TestLightIsOffAfterTheStart(t *testing.T) {
	d, m, b := start(t)
	require.Zero(t, m.Current())
	require.NoError(t, d.SetCurrent(300))
	require.NoError(t, d.On())
	require.InDelta(t, 300, m.Current(), 4)

	d, err := New(b) // another start finds the light on
	require.NoError(t, err)
	require.Zero(t, m.Current())
	require.NoError(t, d.On())
	require.InDelta(t, 10, m.Current(), 3)
	require.True(t, d.IsOn())
	require.NoError(t, d.Off())
	require.Zero(t, m.Current())
	require.False(t, d.IsOn())
}

func TestCurrentLimits(t *testing.T) {
	d, m, _ := start(t)
	require.NoError(t, d.On())
	require.NoError(t, d.SetCurrent(MaxCurrent))
	require.Equal(t, 376.0, m.Current())
	require.NoError(t, d.SetCurrent(0))
	require.Equal(t, 2.4, m.Current())
	require.EqualError(t, d.SetCurrent(376.1), "set current of the light: 376.1 mA is not between 0 and 376")
	require.EqualError(t, d.SetCurrent(-1), "set current of the light: -1 mA is not between 0 and 376")
	require.Equal(t, 2.4, m.Current())

	require.NoError(t, d.SetValue(1))
	require.Equal(t, 376.0, m.Current())
	require.NoError(t, d.SetValue(0.5))
	value, err := d.Value()
	require.NoError(t, err)
	require.InDelta(t, 0.5, value, 0.005)
	require.EqualError(t, d.SetValue(1.5), "set brightness of the light: 1.5 is not between 0 and 1")
}

func TestFlags(t *testing.T) {
	d, m, _ := start(t)
	require.NoError(t, d.On())
	require.NoError(t, d.Check())

	m.SetFlags(flagScaleBack)
	require.ErrorIs(t, d.Check(), ErrScaledBack)
	require.True(t, d.IsOn())
	require.NoError(t, d.Check(), "reading clears the flags")

	m.SetFlags(flagShutdown)
	require.EqualError(t, d.Check(), "check light: LED driver is too hot and switched itself off")
	require.False(t, d.IsOn())

	for flag, want := range map[byte]error{flagUndervoltage: ErrUndervoltage, flagShort: ErrShort} {
		m.SetFlags(flag)
		require.ErrorIs(t, d.Check(), want)
	}
}

func TestWrongChip(t *testing.T) {
	m := NewModel()
	m.SetID(0x08)
	_, err := New(&bus.I2C{Devices: map[uint16]bus.Device{Address: m}})
	require.EqualError(t, err, "identify LM36011: device ID is 1, want 0")
	_, err = New(&bus.I2C{})
	require.EqualError(t, err, "reset LM36011: write register 0x06: no acknowledgement from I2C address 0x64")
}

func TestBusError(t *testing.T) {
	d, m, b := start(t)
	require.NoError(t, d.On())
	b.Fault = func(uint16) error { return errors.New("remote I/O error") }
	require.EqualError(t, d.Off(), "switch light off: write register 0x01: remote I/O error")
	require.True(t, d.IsOn(), "the light is still on")
	require.NotZero(t, m.Current())
}
