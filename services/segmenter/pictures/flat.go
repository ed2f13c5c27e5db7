package pictures

import (
	"context"
	"encoding/binary"
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

// NewFlat returns the median of each colour of each pixel over a series of pictures. It fails if their number is even,
// their sizes differ, or ctx ends.
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

// median9 is median for nine rows, by a network of exchanges on eight bytes at once.
func median9(out []uint8, rows *[9][]uint8) {
	n := len(out) / 8 * 8
	for x := 0; x < n; x += 8 {
		var v [9]uint64
		for i := range v {
			v[i] = binary.LittleEndian.Uint64(rows[i][x:])
		}
		binary.LittleEndian.PutUint64(out[x:], median9Bytes(&v))
	}
	for x := n; x < len(out); x++ {
		var v [9]uint64
		for i := range v {
			v[i] = uint64(rows[i][x])
		}
		out[x] = uint8(median9Bytes(&v))
	}
}

// median9Bytes returns the medians of the bytes at the same place of nine words.
func median9Bytes(v *[9]uint64) uint64 {
	a0, a1, a2 := sort3(v[0], v[1], v[2])
	b0, b1, b2 := sort3(v[3], v[4], v[5])
	c0, c1, c2 := sort3(v[6], v[7], v[8])
	// The median is that of the largest of the minima, the middle of the middles, and the smallest of the maxima.
	_, low := exchange(a0, b0)
	_, low = exchange(low, c0)
	_, middle, _ := sort3(a1, b1, c1)
	high, _ := exchange(a2, b2)
	high, _ = exchange(high, c2)
	_, middle, _ = sort3(low, middle, high)
	return middle
}

// sort3 sorts the bytes at the same place of three words.
func sort3(a, b, c uint64) (low, middle, high uint64) {
	a, b = exchange(a, b)
	b, c = exchange(b, c)
	a, b = exchange(a, b)
	return a, b, c
}

// exchange returns the smaller and the larger of the bytes at the same place of two words.
func exchange(a, b uint64) (low, high uint64) {
	const top = 0x8080808080808080
	// The top bit of each byte tells whether a is at least b: by their top bits, or if these are equal by the others.
	atLeast := (a&^b | ^(a^b)&((a|top)-(b&^top))) & top
	swap := (a ^ b) & (atLeast | (atLeast - atLeast>>7))
	return a ^ swap, b ^ swap
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
