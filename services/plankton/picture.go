package plankton

import (
	"image"
	"math"
)

// View is what determines a picture of a simulated world: the pumped volume, the defocus and the light.
type View struct {
	Volume  float64 // mL that were pumped since the beginning of the stream
	Defocus float64 // µm from the plane of the organisms
	Light   float64 // brightness, 1 for the default; 0 is dark
	Number  uint64  // of the picture: pictures of the same view differ by their noise
}

// Picture draws the picture of a view, and returns it with the ground truth: all organisms of which at least one pixel
// is in the picture.
func (w *World) Picture(v View) (*image.YCbCr, Truth) {
	p := w.params
	img := image.NewYCbCr(image.Rect(0, 0, p.Width, p.Height), image.YCbCrSubsampleRatio420)
	w.drawBackground(img, v)
	for _, e := range w.dirt {
		w.draw(img, organism{cells: []ellipse{e}}, 4)
	}
	blur := p.BlurPixels*p.PixelSize + math.Abs(v.Defocus)/max(p.FocusDepth, 1e-3)
	truth := Truth{Width: p.Width, Height: p.Height, PixelSize: p.PixelSize}
	for _, o := range w.visible(v.Volume) {
		w.draw(img, o, blur)
		if object, seen := w.object(o); seen {
			truth.Objects = append(truth.Objects, object)
		}
	}
	w.addNoise(img, v.Number)
	return img, truth
}

// visible returns the organisms around the view at a pumped volume, with positions in µm from the corner of the picture.
func (w *World) visible(volume float64) []organism {
	at := volume / w.FieldVolume() * w.fieldWidth()
	segment := int64(math.Floor(at / w.fieldWidth()))
	var all []organism
	for s := segment - 1; s <= segment+2; s++ {
		for _, o := range w.organisms(s) {
			for i := range o.cells {
				o.cells[i].x -= at
			}
			all = append(all, o)
		}
	}
	return all
}

// drawBackground fills a picture with the light of the lamp, without noise.
func (w *World) drawBackground(img *image.YCbCr, v View) {
	p := w.params
	light, cx, cy := p.Background*max(0, v.Light), 0.5, 0.5
	if p.LightChanges {
		r := random(p.Seed, int64(v.Number), 3)
		light *= 0.85 + 0.2*r.Float64()
		cx, cy = 0.3+0.4*r.Float64(), 0.3+0.4*r.Float64()
	}
	const unit = 1 << 16
	columns := make([]int32, p.Width)
	for x := range columns {
		d := (float64(x)/float64(p.Width) - cx)
		columns[x] = int32(unit * light * p.Falloff * 2 * d * d)
	}
	for y := range p.Height {
		d := (float64(y)/float64(p.Height) - cy)
		top := int32(unit * light * (1 - p.Falloff*2*d*d))
		row := img.Y[y*img.YStride:][:p.Width]
		for x := range row {
			row[x] = uint8(max(0, min(255, (top-columns[x])>>16)))
		}
	}
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = 126, 130
	}
}

// addNoise adds the noise of a sensor to the brightness and half of it to the colours.
func (w *World) addNoise(img *image.YCbCr, number uint64) {
	r := random(w.params.Seed, int64(number), 2)
	add := func(plane []uint8, stride, shift int) {
		for ; len(plane) > 0; plane = plane[min(stride, len(plane)):] {
			row := plane[:min(stride, len(plane))]
			at, step := r.Uint32(), r.Uint32()|1
			for x := range row {
				at = at*1664525 + step
				row[x] = uint8(max(0, min(255, int(row[x])+int(w.noise[at>>16])>>shift)))
			}
		}
	}
	add(img.Y, img.YStride, 0)
	add(img.Cb, img.CStride, 1)
	add(img.Cr, img.CStride, 1)
}

// draw darkens the pixels of an organism. The blur is a standard deviation in µm.
func (w *World) draw(img *image.YCbCr, o organism, blur float64) {
	p, shape := w.params, o.shape()
	box := w.bounds(o, 2.5*blur)
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			a := shape.absorption(float64(x)*p.PixelSize, float64(y)*p.PixelSize, blur)
			if a == 0 {
				continue
			}
			i := img.YOffset(x, y)
			img.Y[i] = uint8(float64(img.Y[i])*(1-a) + 0.5)
			if x%2 == 0 && y%2 == 0 {
				c := img.COffset(x, y)
				img.Cb[c] = uint8(max(0, min(255, float64(img.Cb[c])+o.tintCb*a)))
				img.Cr[c] = uint8(max(0, min(255, float64(img.Cr[c])+o.tintCr*a)))
			}
		}
	}
}

// bounds returns the pixels of the picture that are at most margin µm away from an organism.
func (w *World) bounds(o organism, margin float64) image.Rectangle {
	var box image.Rectangle
	for _, e := range o.cells {
		r := e.long + margin
		box = box.Union(image.Rect(
			int(math.Floor((e.x-r)/w.params.PixelSize)), int(math.Floor((e.y-r)/w.params.PixelSize)),
			int(math.Ceil((e.x+r)/w.params.PixelSize))+1, int(math.Ceil((e.y+r)/w.params.PixelSize))+1))
	}
	return box.Intersect(image.Rect(0, 0, w.params.Width, w.params.Height))
}
