package plankton

import "math"

// shape is an organism prepared for many points.
type shape struct {
	cells []cell
	rim   float64
}

// cell is an ellipse with the coefficients of its coordinate system.
type cell struct {
	ellipse
	ux, uy, vx, vy float64 // unit vectors of the axes, divided by the semi-axes
}

// shape returns the organism prepared for many points.
func (o organism) shape() shape {
	s := shape{rim: o.rim}
	for _, e := range o.cells {
		sin, cos := math.Sincos(e.angle)
		s.cells = append(s.cells, cell{e, cos / e.long, sin / e.long, -sin / e.short, cos / e.short})
	}
	return s
}

// absorption returns the share of light that is absorbed at a point, in a picture with a blur.
func (s shape) absorption(x, y, blur float64) float64 {
	most := 0.0
	for i := range s.cells {
		c := &s.cells[i]
		d := c.distance(x, y)
		// A blurred edge is a smooth step, 2.5 standard deviations on both sides. The blur also thins what is small.
		cover := smoothStep(0.5 - d/(5*blur))
		if cover == 0 {
			continue
		}
		thin := c.long * c.short / (c.long*c.short + blur*blur)
		most = max(most, c.absorption*thin*cover*(1+s.rim/(1+d*d/9)))
	}
	return min(most, 0.95)
}

// covers reports whether a point lies in the organism.
func (s shape) covers(x, y float64) bool {
	for i := range s.cells {
		if s.cells[i].distance(x, y) <= 0 {
			return true
		}
	}
	return false
}

// distance returns about the distance in µm of a point from the outline, negative inside.
func (c *cell) distance(x, y float64) float64 {
	dx, dy := x-c.x, y-c.y
	u, v := dx*c.ux+dy*c.uy, dx*c.vx+dy*c.vy
	square := u*u + v*v
	if square == 0 {
		return -c.short
	}
	slope := math.Sqrt(u*u/(c.long*c.long) + v*v/(c.short*c.short))
	return (square - math.Sqrt(square)) / slope
}

// smoothStep rises from 0 at 0 to 1 at 1.
func smoothStep(t float64) float64 {
	t = max(0, min(1, t))
	return t * t * (3 - 2*t)
}
