package segmenter

import (
	"context"
	"image"

	"github.com/PlanktoScope/pkbuild/services/segmenter/masks"
	"github.com/PlanktoScope/pkbuild/services/segmenter/pictures"
)

// operations describe the steps of the standard method in the EcoTaxa table.
var operations = []string{
	"{'type': 'background correction', 'parameters': 'median of 9 pictures'}",
	"{'type': 'intensity scaling', 'parameters': 'quotient 0 to 1.04'}",
	"{'type': 'threshold', 'parameters': 'triangle'}",
	"{'type': 'erode', 'parameters': 'square 2x2'}",
	"{'type': 'dilate', 'parameters': 'ellipse 8x8'}",
	"{'type': 'close', 'parameters': 'ellipse 8x8'}",
	"{'type': 'erode', 'parameters': 'ellipse 8x8'}",
}

// step is a mask after a step, kept as a picture if asked for.
type step struct {
	name string
	mask *masks.Mask
}

// threshold returns the pixels of a cleaned picture that are not brighter than the threshold of its histogram.
func threshold(ctx context.Context, cleaned *image.RGBA) (*masks.Mask, error) {
	limit := pictures.Triangle(pictures.Histogram(cleaned))
	width, height := cleaned.Rect.Dx(), cleaned.Rect.Dy()
	m, row := masks.New(width, height), make([]uint8, width)
	for y := range height {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		pictures.GrayRow(cleaned, y, row)
		m.SetRow(y, row, limit)
	}
	return m, nil
}

// standardMask returns the mask of the objects in a cleaned picture, and calls keep with the mask after each step.
// previous is subtracted from the thresholded picture, unless it is nil.
func standardMask(ctx context.Context, cleaned *image.RGBA, previous *masks.Mask, keep func(step)) (*masks.Mask, error) {
	m, err := threshold(ctx, cleaned)
	if err != nil {
		return nil, err
	}
	keep(step{"threshold", m})
	if previous != nil {
		m.Subtract(previous)
		keep(step{"subtract", m})
	}
	for _, next := range []struct {
		name    string
		apply   func(*masks.Mask, masks.Element) *masks.Mask
		element masks.Element
	}{
		{"erode", (*masks.Mask).Erode, masks.Square2},
		{"dilate", (*masks.Mask).Dilate, masks.Ellipse8},
		{"close", (*masks.Mask).Close, masks.Ellipse8},
		{"erode2", (*masks.Mask).Erode, masks.Ellipse8},
	} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m = next.apply(m, next.element)
		keep(step{next.name, m})
	}
	return m, nil
}
