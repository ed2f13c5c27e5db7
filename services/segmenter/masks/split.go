package masks

import (
	"slices"
)

// patch is a region on a grid of its own, with a margin of one pixel.
type patch struct {
	region Region
	stride int
	depth  []int32 // distance to the outside, three for a pixel
	label  []int32 // of the part, from 1; 0 outside and where it is not decided
}

// Split divides a region at necks: places where it is narrower than ratio times the largest width of the parts on both
// sides. A part is not split off if no circle with a radius of minRadius pixels fits into it. A region that cannot be
// divided is the only one returned.
func (g Region) Split(ratio, minRadius float64) []Region {
	p := newPatch(g)
	cut := p.neck(ratio, minRadius)
	if cut < 0 {
		return []Region{g}
	}
	p.mark(cut, func(peak int32) bool { return p.isPart(peak, cut, ratio, minRadius) })
	p.grow()
	var parts []Region
	for _, part := range p.parts() {
		parts = append(parts, part.Split(ratio, minRadius)...)
	}
	return parts
}

// newPatch computes the distances of a region's pixels to the outside, as steps of 3 along the axes and 4 across.
func newPatch(g Region) *patch {
	cells, stride := g.grid()
	p := &patch{g, stride, make([]int32, len(cells)), make([]int32, len(cells))}
	const far = 1 << 30
	for i, c := range cells {
		p.depth[i] = int32(c) * far
	}
	lower := func(i, neighbour int, step int32) { p.depth[i] = min(p.depth[i], p.depth[neighbour]+step) }
	for i := stride + 1; i < len(cells)-stride-1; i++ {
		lower(i, i-1, 3)
		lower(i, i-stride, 3)
		lower(i, i-stride-1, 4)
		lower(i, i-stride+1, 4)
	}
	for i := len(cells) - stride - 2; i > stride; i-- {
		lower(i, i+1, 3)
		lower(i, i+stride, 3)
		lower(i, i+stride+1, 4)
		lower(i, i+stride-1, 4)
	}
	return p
}

// isPart reports whether pixels around a peak of depth are a part, if the region is cut where it is not deeper than cut.
func (p *patch) isPart(peak, cut int32, ratio, minRadius float64) bool {
	return float64(peak) >= 3*minRadius && float64(cut) <= ratio*float64(peak)
}

// neck returns the smallest depth at which a cut leaves two parts or more, or -1.
func (p *patch) neck(ratio, minRadius float64) int32 {
	limit := int32(ratio * float64(slices.Max(p.depth)))
	for cut := int32(3); cut <= limit; cut += 3 {
		if p.mark(cut, func(peak int32) bool { return p.isPart(peak, cut, ratio, minRadius) }) > 1 {
			return cut
		}
	}
	return -1
}

// mark labels the connected pixels that are deeper than cut and whose peak is a part. It returns the number of parts.
func (p *patch) mark(cut int32, isPart func(peak int32) bool) int {
	clear(p.label)
	seen := make([]bool, len(p.depth))
	parts := int32(0)
	var pixels []int
	for i, d := range p.depth {
		if d <= cut || seen[i] {
			continue
		}
		pixels, peak := append(pixels[:0], i), d
		seen[i] = true
		for k := 0; k < len(pixels); k++ {
			peak = max(peak, p.depth[pixels[k]])
			for _, n := range p.neighbours(pixels[k]) {
				if p.depth[n] > cut && !seen[n] {
					seen[n] = true
					pixels = append(pixels, n)
				}
			}
		}
		if isPart(peak) {
			parts++
			for _, k := range pixels {
				p.label[k] = parts
			}
		}
	}
	return int(parts)
}

func (p *patch) neighbours(i int) [8]int {
	s := p.stride
	return [8]int{i - s - 1, i - s, i - s + 1, i - 1, i + 1, i + s - 1, i + s, i + s + 1}
}

// grow gives the pixels without a label that of a neighbour, the deepest first.
func (p *patch) grow() {
	var open []int
	for i, d := range p.depth {
		if d > 0 && p.label[i] == 0 {
			open = append(open, i)
		}
	}
	slices.SortStableFunc(open, func(a, b int) int { return int(p.depth[b] - p.depth[a]) })
	for len(open) > 0 {
		left := open[:0:0]
		for _, i := range open {
			for _, n := range p.neighbours(i) {
				if p.label[n] > 0 {
					p.label[i] = p.label[n]
					break
				}
			}
			if p.label[i] == 0 {
				left = append(left, i)
			}
		}
		if len(left) == len(open) {
			return // not connected with a part
		}
		open = left
	}
}

// parts returns the labelled pixels as regions.
func (p *patch) parts() []Region {
	runs := map[int32][]Run{}
	x0, y0 := p.region.Box.Min.X-1, p.region.Box.Min.Y-1
	for i := 0; i < len(p.label); {
		end := i + 1
		for end < len(p.label) && p.label[end] == p.label[i] && end%p.stride != 0 {
			end++
		}
		if l := p.label[i]; l > 0 {
			y, x := i/p.stride, i%p.stride
			runs[l] = append(runs[l], Run{int32(y + y0), int32(x + x0), int32(x + x0 + end - i)})
		}
		i = end
	}
	var regions []Region
	for l := int32(1); int(l) <= len(runs); l++ {
		regions = append(regions, group(runs[l], 1)...)
	}
	return regions
}
