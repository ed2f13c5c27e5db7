package masks

import (
	"image"
	"math"
	"slices"
)

// Moments describes the ellipse with the same second moments as a region. Its axes are full lengths, from end to end,
// in pixels.
type Moments struct {
	X, Y         float64 // centroid
	Major, Minor float64 // axes
	Eccentricity float64
	Orientation  float64 // angle between the Y axis and the major axis, in radians, counter-clockwise, from -π/2 to π/2
}

// Moments returns the moments of a region, each pixel of which counts as a point.
func (g Region) Moments() Moments {
	var n, sx, sy, sxx, syy, sxy float64
	for _, r := range g.Runs {
		y := float64(int(r.Y) - g.Box.Min.Y)
		a, b := float64(int(r.X0)-g.Box.Min.X), float64(int(r.X1)-g.Box.Min.X)
		// sums over x from a to b-1 of 1, x and x²
		s0, s1 := b-a, (b-a)*(a+b-1)/2
		s2 := ((b-1)*b*(2*b-1) - (a-1)*a*(2*a-1)) / 6
		n, sx, sxx = n+s0, sx+s1, sxx+s2
		sy, syy, sxy = sy+y*s0, syy+y*y*s0, sxy+y*s1
	}
	// The sums are whole numbers, exact for all but huge regions.
	xx, yy, xy := (n*sxx-float64(sx*sx))/(n*n), (n*syy-float64(sy*sy))/(n*n), (n*sxy-float64(sx*sy))/(n*n)
	mean, spread := (xx+yy)/2, math.Sqrt(float64((xx-yy)*(xx-yy))+4*xy*xy)/2
	long, short := mean+spread, max(0, mean-spread)
	m := Moments{
		X: float64(g.Box.Min.X) + sx/n, Y: float64(g.Box.Min.Y) + sy/n,
		Major: 4 * math.Sqrt(long), Minor: 4 * math.Sqrt(short),
	}
	if long > 0 {
		m.Eccentricity = math.Sqrt(1 - short/long)
	}
	switch {
	case xx != yy:
		m.Orientation = 0.5 * math.Atan2(2*xy, yy-xx)
	case xy > 0:
		m.Orientation = -math.Pi / 4
	default:
		m.Orientation = math.Pi / 4
	}
	return m
}

// grid returns the pixels of a region as bytes 0 and 1, with a margin of one pixel around its box, and the length of a row.
func (g Region) grid() (cells []uint8, stride int) {
	stride = g.Box.Dx() + 2
	cells = make([]uint8, stride*(g.Box.Dy()+2))
	for _, r := range g.Runs {
		row := cells[(int(r.Y)-g.Box.Min.Y+1)*stride:]
		for x := int(r.X0) - g.Box.Min.X + 1; x <= int(r.X1)-g.Box.Min.X; x++ {
			row[x] = 1
		}
	}
	return cells, stride
}

// Perimeter returns the length of the line through the centres of the border pixels, in pixels. Border pixels have a
// horizontal or vertical neighbour outside the region. The length depends on the neighbours of each: Benkrid, Crookes and
// Benkrid, "Design and FPGA Implementation of a Perimeter Estimator".
func (g Region) Perimeter() float64 {
	cells, stride := g.grid()
	border := make([]uint8, len(cells))
	for i := stride + 1; i < len(cells)-stride-1; i++ {
		if cells[i] == 1 && cells[i-1]&cells[i+1]&cells[i-stride]&cells[i+stride] == 0 {
			border[i] = 1
		}
	}
	var straight, diagonal, bent int
	for i := stride + 1; i < len(cells)-stride-1; i++ {
		if border[i] == 0 {
			continue
		}
		beside := border[i-1] + border[i+1] + border[i-stride] + border[i+stride]
		across := border[i-stride-1] + border[i-stride+1] + border[i+stride-1] + border[i+stride+1]
		switch {
		case across <= 2 && (beside == 2 || beside == 3):
			straight++
		case across == 2 && beside == 0 || across == 3 && beside == 1:
			diagonal++
		case beside == 1 && (across == 1 || across == 2):
			bent++
		}
	}
	return float64(straight) + float64(diagonal)*math.Sqrt2 + float64(float64(bent)*(1+math.Sqrt2))/2
}

// ConvexArea returns the number of pixels whose centre lies in or on the convex hull of the region. The hull includes the
// middles of the sides of all pixels.
func (g Region) ConvexArea() int {
	hull := convexHull(g.corners())
	area := 0
	for y := g.Box.Min.Y; y < g.Box.Max.Y; y++ {
		left, right := math.MaxInt, math.MinInt
		for i, a := range hull {
			b := hull[(i+1)%len(hull)]
			if a.Y > b.Y {
				a, b = b, a
			}
			if 2*y < a.Y || 2*y > b.Y || a.Y == b.Y {
				continue
			}
			// The edge is at x = position/height, in half pixels.
			height := b.Y - a.Y
			position := a.X*height + (b.X-a.X)*(2*y-a.Y)
			left = min(left, -floorDiv(-position, 2*height))
			right = max(right, floorDiv(position, 2*height))
		}
		if right >= left {
			area += right - left + 1
		}
	}
	return area
}

// floorDiv divides, rounding down. The divisor is positive.
func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// corners returns the middles of the sides of the first and last pixels in each row, in half pixels.
func (g Region) corners() []image.Point {
	var points []image.Point
	for i, r := range g.Runs {
		y := 2 * int(r.Y)
		if i == 0 || g.Runs[i-1].Y != r.Y {
			x := 2 * int(r.X0)
			points = append(points, image.Pt(x-1, y), image.Pt(x, y-1), image.Pt(x, y+1))
		}
		if i == len(g.Runs)-1 || g.Runs[i+1].Y != r.Y {
			x := 2 * int(r.X1-1)
			points = append(points, image.Pt(x+1, y), image.Pt(x, y-1), image.Pt(x, y+1))
		}
	}
	return points
}

// convexHull returns the corners of the convex hull of points, by Andrew's monotone chain.
func convexHull(points []image.Point) []image.Point {
	slices.SortFunc(points, func(a, b image.Point) int {
		if a.X != b.X {
			return a.X - b.X
		}
		return a.Y - b.Y
	})
	points = slices.Compact(points)
	var hull []image.Point
	half := func(points func(func(int, image.Point) bool)) {
		start := len(hull)
		for _, p := range points {
			for len(hull) >= start+2 && cross(hull[len(hull)-2], hull[len(hull)-1], p) <= 0 {
				hull = hull[:len(hull)-1]
			}
			hull = append(hull, p)
		}
		hull = hull[:len(hull)-1] // the first of the other half
	}
	half(slices.All(points))
	half(slices.Backward(points))
	return hull
}

// cross returns the cross product of ab and ac: positive if c is on the left of ab.
func cross(a, b, c image.Point) int { return (b.X-a.X)*(c.Y-a.Y) - (b.Y-a.Y)*(c.X-a.X) }
