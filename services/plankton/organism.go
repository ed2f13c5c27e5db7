package plankton

import (
	"math"
	"math/rand/v2"
)

// ellipse is a cell of an organism or a spot of dirt. Lengths are in µm.
type ellipse struct {
	x, y        float64 // centre
	long, short float64 // semi-axes
	angle       float64 // of the long axis, in radians
	absorption  float64 // share of light that the inside absorbs
}

// organism is one or more overlapping ellipses that count as one object.
type organism struct {
	id     int
	cells  []ellipse
	rim    float64 // how much more the rim absorbs than the inside
	tintCb float64 // colour of the light that is left
	tintCr float64
}

// organisms returns the organisms with their centre in a segment of the stream, which is one picture long.
func (w *World) organisms(segment int64) []organism {
	p, r := w.params, random(w.params.Seed, segment, 1)
	var found []organism
	for n := poisson(r, p.Objects); n > 0; n-- {
		o := w.organism(r, float64(segment)*w.fieldWidth())
		found = append(found, o)
		if r.Float64() < p.Pairs {
			found = append(found, w.neighbour(r, o))
		}
	}
	for i := range found {
		found[i].id = int(segment&0xfffff)<<12 | i
	}
	return found
}

// organism returns a random organism within a picture's length from x.
func (w *World) organism(r *rand.Rand, x float64) organism {
	p := w.params
	esd := p.MinESD * math.Exp(r.Float64()*math.Log(p.MaxESD/p.MinESD))
	aspect := 1 + (p.MaxAspect-1)*r.Float64()
	e := ellipse{
		x: x + r.Float64()*w.fieldWidth(), y: r.Float64() * w.fieldHeight(),
		long: esd / 2 * math.Sqrt(aspect), short: esd / 2 / math.Sqrt(aspect), angle: math.Pi * r.Float64(),
		absorption: p.MinAbsorption + (p.MaxAbsorption-p.MinAbsorption)*r.Float64(),
	}
	if p.Border {
		e.y = w.fieldHeight() * float64(r.IntN(2))
	}
	o := organism{cells: []ellipse{e}, rim: 0.1 + 0.3*r.Float64(), tintCb: -30 * r.Float64(), tintCr: 24 * (r.Float64() - 0.5)}
	if r.Float64() < p.Chains {
		o.cells = chain(e, 2+r.IntN(5))
	}
	return o
}

// chain returns cells of the total area of an ellipse, side by side and bent a little.
func chain(e ellipse, n int) []ellipse {
	radius := math.Sqrt(e.long * e.short / float64(n))
	var cells []ellipse
	x, y, angle := e.x, e.y, e.angle
	for range n {
		cells = append(cells, ellipse{x, y, radius * 1.15, radius / 1.15, angle, e.absorption})
		x, y = x+2*radius*math.Cos(angle), y+2*radius*math.Sin(angle)
		angle += 0.12
	}
	return cells
}

// neighbour returns an organism whose outline touches that of another one.
func (w *World) neighbour(r *rand.Rand, o organism) organism {
	n, e := w.organism(r, 0), o.cells[0]
	c := &n.cells[0]
	n.cells = n.cells[:1]
	direction := 2 * math.Pi * r.Float64()
	gap := e.radius(direction) + c.radius(direction)
	c.x, c.y = e.x+gap*math.Cos(direction), e.y+gap*math.Sin(direction)
	return n
}

// radius returns the distance from the centre to the outline in a direction.
func (e ellipse) radius(direction float64) float64 {
	sin, cos := math.Sincos(direction - e.angle)
	return 1 / math.Hypot(cos/e.long, sin/e.short)
}

// poisson returns a random number of the Poisson distribution.
func poisson(r *rand.Rand, mean float64) int {
	n := 0
	for t := r.ExpFloat64(); t < mean; t += r.ExpFloat64() {
		n++
	}
	return n
}
