// Package plankton draws microscope pictures of synthetic plankton, of which it knows the ground truth. A seed and
// parameters determine a world: an endless stream of water with organisms, of which a camera sees one field at a time. The
// pictures are simulated, and no substitute for measurements.
package plankton

import (
	"math"
	"math/rand/v2"
)

// Params are the parameters of a simulated world of plankton and of the camera that looks at it.
type Params struct {
	Seed          uint64
	Width, Height int     // of a picture, in pixels
	PixelSize     float64 // µm per pixel
	Thickness     float64 // µm between the walls of the flow cell

	Objects                      float64 // mean number of organisms per picture
	MinESD, MaxESD               float64 // equivalent spherical diameter in µm, log-uniform
	MaxAspect                    float64 // largest ratio of length and width
	MinAbsorption, MaxAbsorption float64 // share of light that an organism absorbs, 0 to 1
	Chains                       float64 // share of organisms that are chains of cells, 0 to 1
	Pairs                        float64 // share of organisms that touch another one, 0 to 1
	Border                       bool    // all organisms lie on the upper or lower border of the picture

	Background   float64 // brightness in the centre, 0 to 255
	Falloff      float64 // share of light that the corners lack, 0 to 1
	Dirt         int     // number of spots at the same place of all pictures
	BlurPixels   float64 // standard deviation of the blur in focus
	FocusDepth   float64 // µm of defocus that blur by one more micrometre
	NoiseSigma   float64 // standard deviation of the brightness of a pixel
	LightChanges bool    // light moves and changes from picture to picture
}

// Default returns the parameters of a simulated PlanktoScope with an HQ camera and a sparse sample.
func Default() Params {
	return Params{
		Seed: 1, Width: 4056, Height: 3040, PixelSize: 0.75, Thickness: 300,
		Objects: 30, MinESD: 20, MaxESD: 150, MaxAspect: 4, MinAbsorption: 0.36, MaxAbsorption: 0.6, Chains: 0.1,
		Background: 190, Falloff: 0.18, Dirt: 12, BlurPixels: 1.5, FocusDepth: 20, NoiseSigma: 2,
	}
}

// Quarter returns the parameters for pictures of a quarter of the width and height, with the same size of a pixel and
// number of organisms.
func (p Params) Quarter() Params {
	p.Width, p.Height = p.Width/4, p.Height/4
	return p
}

// World draws pictures of simulated plankton. It may be used concurrently.
type World struct {
	params Params
	dirt   []ellipse // in µm from the corner of the picture
	noise  []int8    // normally distributed
}

// New returns a simulated world of plankton with the given parameters.
func New(p Params) *World {
	w := &World{params: p, noise: make([]int8, 1<<16)}
	r := random(p.Seed, -1, 0)
	for i := range w.noise {
		w.noise[i] = int8(max(-127, min(127, math.Round(r.NormFloat64()*p.NoiseSigma))))
	}
	for range p.Dirt {
		w.dirt = append(w.dirt, ellipse{
			x: r.Float64() * w.fieldWidth(), y: r.Float64() * w.fieldHeight(), long: 4 + 16*r.Float64(), short: 4 + 10*r.Float64(),
			angle: math.Pi * r.Float64(), absorption: 0.1 + 0.4*r.Float64(),
		})
	}
	return w
}

// Resized returns the same world seen by a camera with another number of pixels for the same area.
func (w *World) Resized(width, height int) *World {
	p := w.params
	p.PixelSize *= float64(p.Width) / float64(width)
	p.BlurPixels *= float64(width) / float64(p.Width)
	p.Width, p.Height = width, height
	return &World{p, w.dirt, w.noise}
}

// Params returns the parameters of the world.
func (w *World) Params() Params { return w.params }

func (w *World) fieldWidth() float64  { return float64(w.params.Width) * w.params.PixelSize }
func (w *World) fieldHeight() float64 { return float64(w.params.Height) * w.params.PixelSize }

// FieldVolume returns the volume of water in a picture, in mL.
func (w *World) FieldVolume() float64 {
	return w.fieldWidth() * w.fieldHeight() * w.params.Thickness / 1e12
}

// random returns the random numbers of one purpose in one place of a world.
func random(seed uint64, place int64, purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(place)*0x9e3779b97f4a7c15+purpose))
}
