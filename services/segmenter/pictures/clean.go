package pictures

import (
	"context"
	"fmt"
	"image"
	"math"
)

// Brightest is the quotient of picture and background that a cleaned picture shows as white.
const Brightest = 1.04

// Cleaner divides pictures by a background. It can be used by several goroutines at once.
type Cleaner struct {
	flat     *Flat
	ycc      *yccTable
	quotient [256][256]uint8 // by the background's and the picture's value
}

// NewCleaner returns a cleaner that divides pictures by a background.
func NewCleaner(f *Flat) *Cleaner {
	c := &Cleaner{flat: f, ycc: newYCCTable()}
	for flat := range 256 {
		for value := range 256 {
			c.quotient[flat][value] = quotient(float64(value), float64(flat))
		}
	}
	return c
}

// quotient returns the brightness of a cleaned pixel, rounded down. A black background makes everything but black white.
func quotient(value, flat float64) uint8 {
	q := min(value/flat, Brightest)
	if math.IsNaN(q) {
		return 0
	}
	return uint8(q / Brightest * 255)
}

// Clean returns a picture divided by the background (flat-field correction), with the brightness of each pixel in place
// of its alpha, for Gray. Pixel (0, 0) of the result is black. It fails if the picture has another size than the
// background, or ctx ends.
func (c *Cleaner) Clean(ctx context.Context, img *image.YCbCr) (*image.RGBA, error) {
	width, height := img.Rect.Dx(), img.Rect.Dy()
	if width != c.flat.Width || height != c.flat.Height {
		return nil, fmt.Errorf("picture has %d×%d pixels, want %d×%d as the background", width, height, c.flat.Width, c.flat.Height)
	}
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	reader, rgb := newRGBReader(img, c.ycc), make([]uint8, 3*width)
	for y := range height {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		reader.read(y, rgb)
		flat := c.flat.Pix[3*width*y:][:len(rgb)]
		row := out.Pix[y*out.Stride:][:4*width]
		for x := 0; x < width; x++ {
			p, f, o := rgb[3*x:3*x+3:3*x+3], flat[3*x:3*x+3:3*x+3], row[4*x:4*x+4:4*x+4]
			red, green, blue := c.quotient[f[0]][p[0]], c.quotient[f[1]][p[1]], c.quotient[f[2]][p[2]]
			o[0], o[1], o[2], o[3] = red, green, blue, brightness(red, green, blue)
		}
	}
	clear(out.Pix[:4])
	return out, nil
}

// brightness returns 0.299 red, 0.587 green and 0.114 blue with 15 bits after the point, as OpenCV does.
func brightness(red, green, blue uint8) uint8 {
	return uint8((9798*uint32(red) + 19235*uint32(green) + 3735*uint32(blue) + 1<<14) >> 15)
}

// GrayRow sets out to the brightness of a row of a cleaned picture.
func GrayRow(cleaned *image.RGBA, y int, out []uint8) {
	row := cleaned.Pix[y*cleaned.Stride:][:4*len(out)]
	for x := range out {
		out[x] = row[4*x+3]
	}
}

// Gray returns the brightness of a pixel of a picture that Clean returned: 0 for black to 255 for white.
func Gray(cleaned *image.RGBA, x, y int) uint8 { return cleaned.Pix[cleaned.PixOffset(x, y)+3] }

// Histogram counts the pixels of each brightness of a cleaned picture.
func Histogram(cleaned *image.RGBA) (counts [256]int) {
	for i := 3; i < len(cleaned.Pix); i += 4 {
		counts[cleaned.Pix[i]]++
	}
	return counts
}

// Triangle returns the threshold of a histogram by the triangle method: the brightness that is farthest from the line
// between the peak and the end of the longer tail. Zack, Rogers and Latt 1977; details as in OpenCV.
func Triangle(counts [256]int) uint8 {
	left, right, peak := 0, 255, 0
	for left < 255 && counts[left] == 0 {
		left++
	}
	for right > 0 && counts[right] == 0 {
		right--
	}
	left, right = max(0, left-1), min(255, right+1)
	for i, n := range counts {
		if n > counts[peak] {
			peak = i
		}
	}
	mirrored := peak-left < right-peak
	if mirrored {
		for i := range 128 {
			counts[i], counts[255-i] = counts[255-i], counts[i]
		}
		left, peak = 255-right, 255-peak
	}
	threshold, farthest := left, 0.0
	for i := left + 1; i <= peak; i++ {
		distance := float64(counts[peak])*float64(i) + float64(left-peak)*float64(counts[i])
		if distance > farthest {
			threshold, farthest = i, distance
		}
	}
	threshold--
	if mirrored {
		threshold = 255 - threshold
	}
	return uint8(max(0, min(255, threshold)))
}
