package pictures

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// uniform returns a picture of one colour.
func uniform(width, height int, y, cb, cr uint8) *image.YCbCr {
	img := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	fill := func(plane []uint8, v uint8) {
		for i := range plane {
			plane[i] = v
		}
	}
	fill(img.Y, y)
	fill(img.Cb, cb)
	fill(img.Cr, cr)
	return img
}

// noise returns a picture of random values.
func noise(r *rand.Rand, width, height int, ratio image.YCbCrSubsampleRatio) *image.YCbCr {
	img := image.NewYCbCr(image.Rect(0, 0, width, height), ratio)
	for _, plane := range [][]uint8{img.Y, img.Cb, img.Cr} {
		for i := range plane {
			plane[i] = uint8(r.Uint32())
		}
	}
	return img
}

// TestFlat compares medians of one to eleven pictures with sorted values, for odd sizes and all layouts of the colours.
func TestFlat(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 3, 5, 9, 11} {
		for _, ratio := range []image.YCbCrSubsampleRatio{image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio440} {
			var series []*image.YCbCr
			var single []*Flat
			for range n {
				img := noise(r, 13, 7, ratio)
				series = append(series, img)
				f, err := NewFlat(context.Background(), []*image.YCbCr{img}, 1)
				require.NoError(t, err)
				single = append(single, f)
			}
			f, err := NewFlat(context.Background(), series, 3)
			require.NoError(t, err)
			for i, got := range f.Pix {
				var values []uint8
				for _, s := range single {
					values = append(values, s.Pix[i])
				}
				slices.Sort(values)
				require.Equal(t, values[n/2], got)
			}
		}
	}
	_, err := NewFlat(context.Background(), []*image.YCbCr{uniform(4, 4, 1, 1, 1), uniform(4, 4, 1, 1, 1)}, 1)
	require.EqualError(t, err, "background of 2 pictures: want an odd number")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = NewFlat(ctx, []*image.YCbCr{uniform(4, 4, 1, 1, 1)}, 1)
	require.ErrorIs(t, err, context.Canceled)
}

// TestUniformColours: the triangle filter leaves areas of one colour as they are, and the conversion is that of JFIF.
func TestUniformColours(t *testing.T) {
	for _, c := range [][3]uint8{{0, 128, 128}, {255, 128, 128}, {100, 90, 160}, {76, 85, 255}, {29, 255, 107}} {
		f, err := NewFlat(context.Background(), []*image.YCbCr{uniform(9, 5, c[0], c[1], c[2])}, 1)
		require.NoError(t, err)
		r, g, b := color.YCbCrToRGB(c[0], c[1], c[2])
		for i := 0; i < len(f.Pix); i += 3 {
			require.InDelta(t, r, f.Pix[i], 1)
			require.InDelta(t, g, f.Pix[i+1], 1)
			require.InDelta(t, b, f.Pix[i+2], 1)
		}
	}
}

func TestClean(t *testing.T) {
	flat := &Flat{2, 1, []uint8{200, 100, 0, 200, 100, 0}}
	c := NewCleaner(flat)
	img := uniform(2, 1, 100, 128, 128) // grey 100
	out, err := c.Clean(context.Background(), img)
	require.NoError(t, err)
	require.Equal(t, []uint8{0, 0, 0, 0}, out.Pix[:4], "the first pixel is black")
	require.Equal(t, []uint8{122, 245, 255, 209}, out.Pix[4:8]) // 0.5/1.04, 1/1.04, infinity, and the brightness
	_, err = c.Clean(context.Background(), uniform(3, 1, 0, 0, 0))
	require.EqualError(t, err, "picture has 3×1 pixels, want 2×1 as the background")
}

func TestTriangle(t *testing.T) {
	var one, mirrored, empty [256]int
	for i := range 200 {
		one[i] = 1 + i/20
	}
	one[220] = 5000
	for i, n := range one {
		mirrored[255-i] = n
	}
	limit := Triangle(one)
	require.Greater(t, limit, uint8(150))
	require.Less(t, limit, uint8(220))
	require.InDelta(t, 255-int(limit), int(Triangle(mirrored)), 1)
	Triangle(empty)
	one = [256]int{128: 7}
	require.InDelta(t, 127, Triangle(one), 1)
}

func TestDecodeRefuses(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, noise(rand.New(rand.NewPCG(1, 2)), 64, 64, image.YCbCrSubsampleRatio420), nil))
	for _, n := range []int{0, 1, 100, b.Len() / 2, b.Len() - 3} {
		_, err := Decode(bytes.NewReader(b.Bytes()[:n]))
		require.ErrorIs(t, err, ErrIncomplete, n)
	}
	img, err := Decode(bytes.NewReader(b.Bytes()))
	require.NoError(t, err)
	require.Equal(t, image.Rect(0, 0, 64, 64), img.Rect)

	huge := bytes.Clone(b.Bytes())
	at := bytes.Index(huge, []byte{0xff, 0xc0}) // the header of the frame: height and width follow five bytes later
	copy(huge[at+5:], []byte{0xff, 0xff, 0xff, 0xff})
	_, err = Decode(bytes.NewReader(huge))
	require.EqualError(t, err, "picture of 65535×65535 pixels: want at most 100000000 pixels")
}

func TestGrey(t *testing.T) {
	gray := image.NewGray(image.Rect(0, 0, 17, 9))
	for i := range gray.Pix {
		gray.Pix[i] = 77
	}
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, gray, &jpeg.Options{Quality: 100}))
	img, err := Decode(&b)
	require.NoError(t, err)
	f, err := NewFlat(context.Background(), []*image.YCbCr{img}, 1)
	require.NoError(t, err)
	for _, v := range f.Pix {
		require.EqualValues(t, 77, v)
	}
}

// TestHSV has primary colours, greys, and a hue below zero.
func TestHSV(t *testing.T) {
	c := NewHSV()
	for rgb, want := range map[[3]uint8][3]uint8{
		{255, 0, 0}: {0, 255, 255}, {0, 255, 0}: {60, 255, 255}, {0, 0, 255}: {120, 255, 255}, {7, 7, 7}: {0, 0, 7}, {200, 100, 110}: {177, 127, 200},
	} {
		h, s, v := c.Convert(rgb[0], rgb[1], rgb[2])
		require.Equal(t, want, [3]uint8{h, s, v}, rgb)
	}
}

// FuzzDecode: a picture of anybody neither ends the program nor is returned without its planes.
func FuzzDecode(f *testing.F) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, uniform(16, 16, 90, 100, 110), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:200])
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := Decode(bytes.NewReader(data))
		if err != nil {
			require.False(t, errors.Is(err, context.Canceled))
			return
		}
		if img.Rect.Dx()*img.Rect.Dy() > 1<<20 {
			return
		}
		_, err = NewFlat(context.Background(), []*image.YCbCr{img}, 1)
		require.NoError(t, err)
	})
}
