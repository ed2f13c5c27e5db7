package plankton

import (
	"fmt"
	"image"
)

// Truth is the ground truth of a simulated picture: the organisms in it and their pixels. It is stored as JSON.
type Truth struct {
	Width     int      `json:"width"`
	Height    int      `json:"height"`
	PixelSize float64  `json:"pixel_size"` // µm
	Objects   []Object `json:"objects"`
}

// Object is an organism in a simulated picture: its number and its pixels. Objects may overlap.
type Object struct {
	ID   int   `json:"id"`
	Area int   `json:"area"` // pixels in the picture
	Runs []Run `json:"runs"`
}

// Run is a piece of a row: the pixels from X0 to X1-1 in row Y. Its JSON is [Y, X0, X1].
type Run struct{ Y, X0, X1 int }

// MarshalJSON returns the run as the array [Y, X0, X1].
func (r Run) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "[%d,%d,%d]", r.Y, r.X0, r.X1), nil
}

// UnmarshalJSON reads the array [Y, X0, X1].
func (r *Run) UnmarshalJSON(data []byte) error {
	_, err := fmt.Sscanf(string(data), "[%d,%d,%d]", &r.Y, &r.X0, &r.X1)
	if err != nil {
		return fmt.Errorf("run %q is not [y,x0,x1]: %w", data, err)
	}
	return nil
}

// Bounds returns the smallest rectangle around the pixels of an object; an empty one if it has none.
func (o Object) Bounds() image.Rectangle {
	var box image.Rectangle
	for _, r := range o.Runs {
		box = box.Union(image.Rect(r.X0, r.Y, r.X1, r.Y+1))
	}
	return box
}

// object returns the pixels of an organism, and whether any of them is in the picture.
func (w *World) object(o organism) (Object, bool) {
	object, shape := Object{ID: o.id}, o.shape()
	box := w.bounds(o, 0)
	for y := box.Min.Y; y < box.Max.Y; y++ {
		start := -1
		for x := box.Min.X; x <= box.Max.X; x++ {
			in := x < box.Max.X && shape.covers(float64(x)*w.params.PixelSize, float64(y)*w.params.PixelSize)
			if in && start < 0 {
				start = x
			}
			if !in && start >= 0 {
				object.Runs = append(object.Runs, Run{y, start, x})
				object.Area += x - start
				start = -1
			}
		}
	}
	return object, object.Area > 0
}
