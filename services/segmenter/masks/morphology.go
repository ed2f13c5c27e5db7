package masks

// Span is a row of a structuring element: the pixels from (X0, Y) to (X1, Y), both included, relative to its anchor. X0
// and X1 must lie between -63 and 63.
type Span struct{ Y, X0, X1 int }

// Element is a structuring element for morphological operations: the set of pixels around an anchor.
type Element []Span

// Square2 is OpenCV's rectangle of 2×2 pixels.
var Square2 = Element{{-1, -1, 0}, {0, -1, 0}}

// Ellipse8 is OpenCV's ellipse of 8×8 pixels, which is not symmetrical.
var Ellipse8 = Element{
	{-4, 0, 0}, {-3, -3, 3}, {-2, -3, 3}, {-1, -4, 3}, {0, -4, 3}, {1, -4, 3}, {2, -3, 3}, {3, -3, 3},
}

// Disc returns the disc of a radius in pixels, at most 63. Its anchor is the centre.
func Disc(radius int) Element {
	var e Element
	for y := -radius; y <= radius; y++ {
		x := 0
		for (x+1)*(x+1)+y*y <= radius*(radius+1) {
			x++
		}
		e = append(e, Span{y, -x, x})
	}
	return e
}

// Dilate returns the mask of the pixels for which any pixel of the element around them is set. What lies outside the
// picture counts as not set.
func (m *Mask) Dilate(e Element) *Mask {
	type extent struct{ x0, x1 int }
	spread := map[extent]*Mask{} // the mask, spread horizontally by the spans of the element
	out := New(m.Width, m.Height)
	for _, s := range e {
		of := extent{s.X0, s.X1}
		if spread[of] == nil {
			spread[of] = m.spread(s.X0, s.X1)
		}
		source := spread[of].words
		for y := max(0, -s.Y); y < min(m.Height, m.Height-s.Y); y++ {
			from, to := source[(y+s.Y)*m.stride:][:m.stride], out.row(y)
			for i := range to {
				to[i] |= from[i]
			}
		}
	}
	return out
}

// Erode returns the mask of the pixels for which all pixels of the element around them are set. What lies outside the
// picture counts as set. Erode changes m while it runs, so that m must not be used concurrently.
func (m *Mask) Erode(e Element) *Mask {
	m.invert()
	out := m.Dilate(e)
	m.invert()
	out.invert()
	return out
}

// Close returns the mask after a morphological closing: a dilation followed by an erosion.
func (m *Mask) Close(e Element) *Mask { return m.Dilate(e).Erode(e) }

// spread returns the mask of the pixels that have a set pixel from x0 to x1 to their right. |x0| and |x1| are below 64.
func (m *Mask) spread(x0, x1 int) *Mask {
	out := New(m.Width, m.Height)
	last := ^uint64(0) >> ((64 - m.Width%64) % 64)
	for y := range m.Height {
		from, to := m.row(y), out.row(y)
		var before uint64
		for i, word := range from {
			var after uint64
			if i+1 < len(from) {
				after = from[i+1]
			}
			if before|word|after != 0 {
				to[i] = spreadWord(before, word, after, x0, x1)
			}
			before = word
		}
		to[len(to)-1] &= last
	}
	return out
}

// spreadWord is spread for a word between two others.
func spreadWord(before, word, after uint64, x0, x1 int) uint64 {
	var out uint64
	for d := x0; d <= x1; d++ {
		switch {
		case d > 0:
			out |= word>>d | after<<(64-d)
		case d < 0:
			out |= word<<-d | before>>(64+d)
		default:
			out |= word
		}
	}
	return out
}
