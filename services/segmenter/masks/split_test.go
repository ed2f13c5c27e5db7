package masks

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// discs returns the region of discs with centres on a line.
func discs(t *testing.T, radius int, centres ...int) Region {
	t.Helper()
	m := New(centres[len(centres)-1]+radius+2, 2*radius+3)
	for _, cx := range centres {
		for y := -radius; y <= radius; y++ {
			for x := -radius; x <= radius; x++ {
				if x*x+y*y <= radius*radius {
					m.Set(cx+x, radius+1+y)
				}
			}
		}
	}
	regions := m.Regions()
	require.Len(t, regions, 1)
	return regions[0]
}

func TestSplit(t *testing.T) {
	for name, test := range map[string]struct {
		region Region
		parts  int
	}{
		"one disc":               {discs(t, 20, 25), 1},
		"two that touch":         {discs(t, 20, 25, 65), 2},
		"three in a row":         {discs(t, 20, 25, 64, 103), 3},
		"two that overlap much":  {discs(t, 20, 25, 45), 1},
		"too small to split off": {discs(t, 3, 5, 11), 1},
	} {
		parts := test.region.Split(0.5, 5)
		require.Len(t, parts, test.parts, name)
		area := 0
		all := New(200, 50)
		for _, p := range parts {
			area += p.Area
			p.Mark(all)
		}
		require.Equal(t, test.region.Area, area, name)
		require.Equal(t, test.region.Area, all.Count(), "%s: parts overlap", name)
	}
}

func TestShifted(t *testing.T) {
	g := draw("##", ".#").Regions()[0]
	m := New(5, 5)
	s := g.Shifted(g.Box.Min.Add(g.Box.Max))
	s.Mark(m)
	require.True(t, m.At(2, 2) && m.At(3, 2) && m.At(3, 3))
	require.Equal(t, g.Area, m.Count())
	require.Equal(t, g.Box.Add(g.Box.Max), s.Box)
}
