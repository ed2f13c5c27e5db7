// Package masks works on black-and-white pictures: morphology, connected regions and their shape. It follows the
// definitions of OpenCV 4.6 (morphology) and scikit-image 0.19 (regions), so that results can be compared. It knows nothing
// of colours and files.
package masks

import (
	"image"
	"math/bits"
)

// Mask is a picture of one bit per pixel. Bits beyond the width of a row are zero.
type Mask struct {
	Width, Height int
	stride        int // words of a row
	words         []uint64
}

// New returns a mask without any pixel set.
func New(width, height int) *Mask {
	stride := (width + 63) / 64
	return &Mask{width, height, stride, make([]uint64, stride*height)}
}

// row returns the words of a row. Pixel x is bit x%64 of word x/64.
func (m *Mask) row(y int) []uint64 { return m.words[y*m.stride:][:m.stride] }

// At reports whether a pixel is set. Pixels outside the mask are not.
func (m *Mask) At(x, y int) bool {
	return x >= 0 && y >= 0 && x < m.Width && y < m.Height && m.words[y*m.stride+x/64]>>(x%64)&1 == 1
}

// Set sets a pixel, which must lie in the mask.
func (m *Mask) Set(x, y int) { m.words[y*m.stride+x/64] |= 1 << (x % 64) }

// SetRow sets the pixels of row y whose value is at most limit, and clears the others. There must be a value for each
// pixel of the row.
func (m *Mask) SetRow(y int, values []uint8, limit uint8) {
	row := m.row(y)
	for i := range row {
		var word uint64
		for bit, v := range values[i*64 : min(len(values), i*64+64)] {
			// The difference of an int wraps to ones in its high bits if v is above the limit.
			word |= (uint64(int(limit)-int(v))>>63 ^ 1) << bit
		}
		row[i] = word
	}
}

// Count returns the number of pixels that are set.
func (m *Mask) Count() int {
	n := 0
	for _, w := range m.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// Clone returns a copy.
func (m *Mask) Clone() *Mask {
	c := *m
	c.words = append([]uint64(nil), m.words...)
	return &c
}

// Subtract clears the pixels that are set in another mask of the same size.
func (m *Mask) Subtract(other *Mask) {
	for i, w := range other.words {
		m.words[i] &^= w
	}
}

// invert replaces the mask by its complement.
func (m *Mask) invert() {
	last := ^uint64(0) >> ((64 - m.Width%64) % 64)
	for i := range m.words {
		m.words[i] = ^m.words[i]
		if i%m.stride == m.stride-1 {
			m.words[i] &= last
		}
	}
}

// Image returns the mask as a grey picture: white where a pixel is set.
func (m *Mask) Image() *image.Gray {
	img := image.NewGray(image.Rect(0, 0, m.Width, m.Height))
	for y := range m.Height {
		row := img.Pix[y*img.Stride:]
		for x := range m.Width {
			if m.At(x, y) {
				row[x] = 255
			}
		}
	}
	return img
}
