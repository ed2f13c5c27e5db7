package ssd1306

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/chips/bus"
)

func TestText(t *testing.T) {
	m := &Model{}
	d, err := New(&bus.I2C{Devices: map[uint16]bus.Device{Address: m}})
	require.NoError(t, err)
	blank := m.String()
	require.Equal(t, strings.Repeat(strings.Repeat(" ", Width)+"\n", Height), blank)

	require.NoError(t, d.Show([]string{"I", ""}))
	var lines []string
	for line := range strings.Lines(m.String()) {
		if s := strings.TrimRight(line, " \n"); s != "" {
			lines = append(lines, s)
		}
	}
	require.Equal(t, []string{" #####", "   #", "   #", "   #", "   #", "   #", "   #", "   #", " #####"}, lines)
	require.NoError(t, d.Clear())
	require.Equal(t, blank, m.String())
}

// TestPages: two lines fit, so that further calls show the others.
func TestPages(t *testing.T) {
	m := &Model{}
	d, err := New(&bus.I2C{Devices: map[uint16]bus.Device{Address: m}})
	require.NoError(t, err)
	show := func(lines ...string) string {
		require.NoError(t, d.Show(lines))
		return m.String()
	}
	first := show("a", "b", "c")
	second := show("a", "b", "c")
	require.NotEqual(t, first, second)
	require.Equal(t, first, show("a", "b", "c"))
	require.Equal(t, first, show("a", "b"))
	require.Equal(t, second, show("c"))
	long := show(strings.Repeat("x", 100))
	require.Equal(t, show(strings.Repeat("x", Columns)), long)
	require.NotEmpty(t, show("é\xff"))
	require.NotEmpty(t, show())
}

func TestNoDisplay(t *testing.T) {
	_, err := New(&bus.I2C{})
	require.EqualError(t, err, "open display: no acknowledgement from I2C address 0x3c")
}
