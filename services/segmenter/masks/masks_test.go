package masks

import (
	"image"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// random returns a mask with about a share of its pixels set.
func random(r *rand.Rand, width, height int, share float64) *Mask {
	m := New(width, height)
	for y := range height {
		for x := range width {
			if r.Float64() < share {
				m.Set(x, y)
			}
		}
	}
	return m
}

// each calls check for masks of many sizes and densities.
func each(t *testing.T, check func(m *Mask)) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []image.Point{{1, 1}, {7, 5}, {63, 9}, {64, 9}, {65, 9}, {130, 40}} {
		for _, share := range []float64{0, 0.05, 0.4, 0.8, 0.99, 1} {
			check(random(r, size.X, size.Y, share))
		}
	}
}

// TestMorphology compares with the definition.
func TestMorphology(t *testing.T) {
	for name, e := range map[string]Element{"square": Square2, "ellipse": Ellipse8, "disc": Disc(2)} {
		each(t, func(m *Mask) {
			dilated, eroded := m.Dilate(e), m.Erode(e)
			for y := range m.Height {
				for x := range m.Width {
					some, all := false, true
					for _, s := range e {
						for dx := s.X0; dx <= s.X1; dx++ {
							u, v := x+dx, y+s.Y
							outside := u < 0 || v < 0 || u >= m.Width || v >= m.Height
							some = some || m.At(u, v)
							all = all && (outside || m.At(u, v))
						}
					}
					require.Equal(t, some, dilated.At(x, y), "dilate by %s at %d,%d of %d×%d", name, x, y, m.Width, m.Height)
					require.Equal(t, all, eroded.At(x, y), "erode by %s at %d,%d of %d×%d", name, x, y, m.Width, m.Height)
				}
			}
			requireCleanTails(t, dilated, eroded, m)
		})
	}
}

// requireCleanTails checks that no bit beyond the width is set.
func requireCleanTails(t *testing.T, all ...*Mask) {
	t.Helper()
	for _, m := range all {
		n := 0
		for y := range m.Height {
			for x := range m.Width {
				if m.At(x, y) {
					n++
				}
			}
		}
		require.Equal(t, n, m.Count())
	}
}

// TestRegions compares with a flood fill.
func TestRegions(t *testing.T) {
	each(t, func(m *Mask) {
		label := map[image.Point]int{}
		count := 0
		for y := range m.Height {
			for x := range m.Width {
				if m.At(x, y) && label[image.Pt(x, y)] == 0 {
					count++
					flood(m, image.Pt(x, y), count, label)
				}
			}
		}
		regions := m.Regions()
		require.Len(t, regions, count)
		pixels := 0
		for i, g := range regions {
			require.Equal(t, i+1, g.Label)
			area, box := 0, image.Rectangle{}
			for _, r := range g.Runs {
				for x := r.X0; x < r.X1; x++ {
					require.Equal(t, g.Label, label[image.Pt(int(x), int(r.Y))])
					box = box.Union(image.Rect(int(x), int(r.Y), int(x)+1, int(r.Y)+1))
					area++
				}
			}
			require.Equal(t, area, g.Area)
			require.Equal(t, box, g.Box)
			pixels += area
		}
		require.Equal(t, m.Count(), pixels)
	})
}

// flood labels the pixels that are connected with p.
func flood(m *Mask, p image.Point, number int, label map[image.Point]int) {
	label[p] = number
	for _, d := range []image.Point{{-1, -1}, {0, -1}, {1, -1}, {-1, 0}, {1, 0}, {-1, 1}, {0, 1}, {1, 1}} {
		if q := p.Add(d); m.At(q.X, q.Y) && label[q] == 0 {
			flood(m, q, number, label)
		}
	}
}

// draw returns the mask of a picture of letters.
func draw(rows ...string) *Mask {
	m := New(len(rows[0]), len(rows))
	for y, row := range rows {
		for x, c := range row {
			if c == '#' {
				m.Set(x, y)
			}
		}
	}
	return m
}

func TestHoles(t *testing.T) {
	for name, test := range map[string]struct {
		mask         *Mask
		filled, hull int
		euler        int
	}{
		"ring":                  {draw("###", "#.#", "###"), 9, 9, 0},
		"two holes":             {draw("#####", "#.#.#", "#####"), 15, 15, -1},
		"diagonal hole":         {draw(".#.", "#.#", ".#."), 4, 5, 0}, // open diagonally
		"hole across a corner":  {draw("####", "#.##", "##.#", "####"), 16, 16, -1},
		"bay":                   {draw("###", "#.#", "#.#"), 7, 9, 1},
		"line":                  {draw("####"), 4, 4, 1},
		"single pixel":          {draw("#"), 1, 1, 1},
		"steps of a right edge": {draw("#...", "##..", "####"), 7, 8, 1},
	} {
		regions := test.mask.Regions()
		require.Len(t, regions, 1, name)
		require.Equal(t, test.filled, regions[0].Filled().Area, name)
		require.Equal(t, test.euler, regions[0].Euler(), name)
		require.Equal(t, test.hull, regions[0].ConvexArea(), name)
	}
}

// TestShape has values that follow from the definitions.
func TestShape(t *testing.T) {
	square := draw("....", ".##.", ".##.").Regions()[0]
	require.InDelta(t, 4, square.Perimeter(), 1e-12) // through the four centres
	require.Equal(t, Moments{X: 1.5, Y: 1.5, Major: 2, Minor: 2, Orientation: math.Pi / 4}, square.Moments())

	line := draw("#####").Regions()[0]
	m := line.Moments()
	require.InDelta(t, 4*math.Sqrt2, m.Major, 1e-12)
	require.Zero(t, m.Minor)
	require.Equal(t, 1.0, m.Eccentricity)
	require.InDelta(t, math.Pi/2, math.Abs(m.Orientation), 1e-12)

	falling := draw("#....", ".#...", "..#..", "...#.").Regions()[0].Moments()
	require.InDelta(t, -math.Pi/4, falling.Orientation, 1e-12)
}

func TestSetRow(t *testing.T) {
	m := New(70, 1)
	values := make([]uint8, 70)
	for i := range values {
		values[i] = uint8(i * 3)
	}
	m.SetRow(0, values, 100)
	for x := range 70 {
		require.Equal(t, values[x] <= 100, m.At(x, 0), x)
	}
	require.Equal(t, 34, m.Count())
}

func TestSubtract(t *testing.T) {
	m := draw("##..")
	m.Subtract(draw(".##."))
	require.Equal(t, draw("#..."), m)
}

func BenchmarkDilate(b *testing.B) {
	m := random(rand.New(rand.NewPCG(1, 2)), 4056, 3040, 0.01)
	for b.Loop() {
		m.Dilate(Ellipse8)
	}
}
