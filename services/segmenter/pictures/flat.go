package pictures

import (
	"context"
	"errors"
	"fmt"
	"image"

	"golang.org/x/sync/errgroup"
)

// Flat is the background of a series of pictures, for flat-field correction: what the camera sees without objects. Pix
// has RGB triples.
type Flat struct {
	Width, Height int
	Pix           []uint8
}

// NewFlat returns the median of each colour of each pixel, of an odd number of pictures of the same size. It stops when ctx
// ends.
func NewFlat(ctx context.Context, series []*image.YCbCr, workers int) (*Flat, error) {
	if len(series)%2 == 0 {
		return nil, fmt.Errorf("background of %d pictures: want an odd number", len(series))
	}
	size := series[0].Rect.Size()
	for _, img := range series {
		if img.Rect.Size() != size {
			return nil, errors.New("background of pictures with different sizes")
		}
	}
	f := &Flat{size.X, size.Y, make([]uint8, 3*size.X*size.Y)}
	group, ctx := errgroup.WithContext(ctx)
	workers = max(1, min(workers, size.Y))
	for i := range workers {
		group.Go(func() error { return f.fill(ctx, series, size.Y*i/workers, size.Y*(i+1)/workers) })
	}
	return f, group.Wait()
}

// fill computes the rows from y0 to y1-1.
func (f *Flat) fill(ctx context.Context, series []*image.YCbCr, y0, y1 int) error {
	table := newYCCTable()
	readers, rows := make([]*rgbReader, len(series)), make([][]uint8, len(series))
	for i, img := range series {
		readers[i], rows[i] = newRGBReader(img, table), make([]uint8, 3*f.Width)
	}
	for y := y0; y < y1; y++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i, r := range readers {
			r.read(y, rows[i])
		}
		median(f.Pix[3*f.Width*y:][:3*f.Width], rows)
	}
	return nil
}

// median sets out to the medians of the columns of rows.
func median(out []uint8, rows [][]uint8) {
	if len(rows) == 9 {
		median9(out, (*[9][]uint8)(rows))
		return
	}
	values := make([]uint8, len(rows))
	for x := range out {
		for i, row := range rows {
			v, k := row[x], i
			for ; k > 0 && values[k-1] > v; k-- {
				values[k] = values[k-1]
			}
			values[k] = v
		}
		out[x] = values[len(values)/2]
	}
}

// median9 is median for nine rows, by a network of exchanges.
func median9(out []uint8, rows *[9][]uint8) {
	n := len(out)
	r0, r1, r2, r3, r4, r5, r6, r7, r8 := rows[0][:n], rows[1][:n], rows[2][:n], rows[3][:n], rows[4][:n], rows[5][:n], rows[6][:n], rows[7][:n], rows[8][:n]
	for x := range out {
		a0, a1, a2 := sort3(r0[x], r1[x], r2[x])
		b0, b1, b2 := sort3(r3[x], r4[x], r5[x])
		c0, c1, c2 := sort3(r6[x], r7[x], r8[x])
		// The median is that of the largest of the minima, the middle of the middles, and the smallest of the maxima.
		_, m, _ := sort3(b1, a1, c1)
		_, m, _ = sort3(max(a0, b0, c0), m, min(a2, b2, c2))
		out[x] = m
	}
}

// sort3 sorts three values.
func sort3(a, b, c uint8) (low, middle, high uint8) {
	a, b = min(a, b), max(a, b)
	b, c = min(b, c), max(b, c)
	a, b = min(a, b), max(a, b)
	return a, b, c
}

// Image returns the background as a picture.
func (f *Flat) Image() *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, f.Width, f.Height))
	for i := range f.Width * f.Height {
		copy(img.Pix[4*i:], f.Pix[3*i:3*i+3])
		img.Pix[4*i+3] = 255
	}
	return img
}
