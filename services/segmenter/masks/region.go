package masks

import (
	"image"
	"math/bits"
	"slices"
)

// Run is a piece of a row: the pixels from X0 to X1-1 in row Y.
type Run struct{ Y, X0, X1 int32 }

// Region is a set of connected pixels. Its runs are sorted by Y and X0.
type Region struct {
	Label int // number of the region in its mask, from 1, in the order of their first pixels
	Runs  []Run
	Box   image.Rectangle
	Area  int // pixels
}

// Regions returns the connected regions of a mask, in the order of their first pixels from the top left; nil for a mask
// without pixels. Pixels are neighbours horizontally, vertically and diagonally.
func (m *Mask) Regions() []Region { return group(m.runs(), 1) }

// runs returns all runs of a mask.
func (m *Mask) runs() []Run {
	var runs []Run
	for y := range m.Height {
		x, row := 0, m.row(y)
		for {
			start := next(row, x, 0)
			if start < 0 {
				break
			}
			end := next(row, start, ^uint64(0))
			if end < 0 || end > m.Width {
				end = m.Width
			}
			runs = append(runs, Run{int32(y), int32(start), int32(end)})
			x = end
		}
	}
	return runs
}

// next returns the first pixel from x on that is set in a row, or clear if flip is all ones; -1 if none is.
func next(row []uint64, x int, flip uint64) int {
	for i := x / 64; i < len(row); i++ {
		word := row[i] ^ flip
		if i == x/64 {
			word &= ^uint64(0) << (x % 64)
		}
		if word != 0 {
			return i*64 + bits.TrailingZeros64(word)
		}
	}
	return -1
}

// group connects runs, which must be sorted, to regions. Reach is 1 if diagonal neighbours are connected, otherwise 0.
func group(runs []Run, reach int32) []Region {
	parent := make([]int32, len(runs))
	root := func(i int32) int32 {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	above := 0 // the first run of the row above that may touch the current one
	for i, r := range runs {
		parent[i] = int32(i)
		for above < i && (runs[above].Y < r.Y-1 || runs[above].Y == r.Y-1 && runs[above].X1+reach <= r.X0) {
			above++
		}
		for k := above; k < i && runs[k].Y == r.Y-1 && runs[k].X0 < r.X1+reach; k++ {
			a, b := root(int32(k)), root(int32(i))
			parent[max(a, b)] = min(a, b)
		}
	}
	var regions []Region
	number := make([]int32, len(runs))
	for i, r := range runs {
		top := root(int32(i))
		if int(top) == i {
			number[i] = int32(len(regions))
			regions = append(regions, Region{Label: len(regions) + 1})
		}
		regions[number[top]].add(r)
	}
	return regions
}

// add appends a run to a region.
func (g *Region) add(r Run) {
	g.Runs = append(g.Runs, r)
	g.Area += int(r.X1 - r.X0)
	g.Box = g.Box.Union(image.Rect(int(r.X0), int(r.Y), int(r.X1), int(r.Y)+1))
}

// gaps returns the runs of the box of a region that are not part of it.
func (g Region) gaps() []Run {
	var gaps []Run
	x0, x1 := int32(g.Box.Min.X), int32(g.Box.Max.X)
	i := 0
	for y := int32(g.Box.Min.Y); y < int32(g.Box.Max.Y); y++ {
		x := x0
		for ; i < len(g.Runs) && g.Runs[i].Y == y; i++ {
			if g.Runs[i].X0 > x {
				gaps = append(gaps, Run{y, x, g.Runs[i].X0})
			}
			x = g.Runs[i].X1
		}
		if x < x1 {
			gaps = append(gaps, Run{y, x, x1})
		}
	}
	return gaps
}

// enclosed returns the connected gaps of a region that do not touch the border of its box.
func (g Region) enclosed(reach int32) []Region {
	return slices.DeleteFunc(group(g.gaps(), reach), func(gap Region) bool {
		return gap.Box.Min.X == g.Box.Min.X || gap.Box.Max.X == g.Box.Max.X || gap.Box.Min.Y == g.Box.Min.Y || gap.Box.Max.Y == g.Box.Max.Y
	})
}

// Filled returns the region without its holes. As in scikit-image, background that touches the outside diagonally is no
// hole.
func (g Region) Filled() Region {
	filled := Region{Label: g.Label, Box: g.Box, Area: g.Area, Runs: slices.Clone(g.Runs)}
	holes := g.enclosed(1)
	if len(holes) == 0 {
		return filled
	}
	for _, h := range holes {
		filled.Runs = append(filled.Runs, h.Runs...)
		filled.Area += h.Area
	}
	slices.SortFunc(filled.Runs, func(a, b Run) int {
		if a.Y != b.Y {
			return int(a.Y - b.Y)
		}
		return int(a.X0 - b.X0)
	})
	merged := filled.Runs[:1]
	for _, r := range filled.Runs[1:] {
		if last := &merged[len(merged)-1]; last.Y == r.Y && last.X1 == r.X0 {
			last.X1 = r.X1
		} else {
			merged = append(merged, r)
		}
	}
	filled.Runs = merged
	return filled
}

// Euler returns the Euler number of a region: 1 minus the number of its holes, which are connected horizontally and
// vertically.
func (g Region) Euler() int { return 1 - len(g.enclosed(0)) }

// Mark sets the pixels of a region in a mask, which must contain all of them.
func (g Region) Mark(m *Mask) {
	for _, r := range g.Runs {
		for x := r.X0; x < r.X1; x++ {
			m.Set(int(x), int(r.Y))
		}
	}
}

// Shifted returns a copy of the region, moved right by by.X and down by by.Y pixels.
func (g Region) Shifted(by image.Point) Region {
	s := Region{Label: g.Label, Box: g.Box.Add(by), Area: g.Area, Runs: slices.Clone(g.Runs)}
	for i := range s.Runs {
		s.Runs[i].Y += int32(by.Y)
		s.Runs[i].X0 += int32(by.X)
		s.Runs[i].X1 += int32(by.X)
	}
	return s
}
