// Package pictures decodes JPEG files to colours as libjpeg does, computes the background of a series of pictures, and
// divides pictures by it. It knows nothing of objects and data sets.
package pictures

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"os"

	"github.com/PlanktoScope/pkbuild/internal/ctxio"
)

// MaxPixels is the largest picture that Decode accepts.
const MaxPixels = 100_000_000

// ErrIncomplete is returned by Decode and Open for a JPEG file that ends too early, as after a power cut.
var ErrIncomplete = errors.New("JPEG file is incomplete")

// Open decodes a JPEG file as Decode does. It fails soon after ctx ends.
func Open(ctx context.Context, name string) (*image.YCbCr, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	img, err := Decode(bufio.NewReaderSize(ctxio.Reader(ctx, f), 1<<16))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return img, nil
}

// Size returns the width and height of a JPEG file without decoding it.
func Size(name string) (image.Point, error) {
	f, err := os.Open(name)
	if err != nil {
		return image.Point{}, err
	}
	defer f.Close()
	c, err := jpeg.DecodeConfig(bufio.NewReader(f))
	if err != nil {
		return image.Point{}, fmt.Errorf("%s: %w", name, incomplete(err))
	}
	return image.Pt(c.Width, c.Height), nil
}

// Decode decodes a JPEG picture. A grey picture gets neutral colours. It refuses CMYK and more than MaxPixels.
func Decode(r io.Reader) (*image.YCbCr, error) {
	var head bytes.Buffer
	c, err := jpeg.DecodeConfig(io.TeeReader(r, &head))
	if err != nil {
		return nil, incomplete(err)
	}
	if c.Width <= 0 || c.Height <= 0 || c.Width > MaxPixels/c.Height {
		return nil, fmt.Errorf("picture of %d×%d pixels: want at most %d pixels", c.Width, c.Height, MaxPixels)
	}
	if c.ColorModel != color.YCbCrModel && c.ColorModel != color.GrayModel {
		return nil, errors.New("JPEG picture is neither YCbCr nor grey")
	}
	img, err := jpeg.Decode(io.MultiReader(&head, r))
	if err != nil {
		return nil, incomplete(err)
	}
	switch img := img.(type) {
	case *image.YCbCr:
		return img, nil
	case *image.Gray:
		return neutral(img), nil
	default:
		return nil, fmt.Errorf("JPEG picture has the colours of %T, want YCbCr or grey", img)
	}
}

// incomplete turns the end of the input into ErrIncomplete.
func incomplete(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, jpeg.FormatError("short Huffman data")) {
		return ErrIncomplete
	}
	return err
}

// neutral returns a grey picture with the colour planes of YCbCr.
func neutral(gray *image.Gray) *image.YCbCr {
	c := image.NewYCbCr(image.Rect(0, 0, 2, 2), image.YCbCrSubsampleRatio420)
	img := image.NewYCbCr(gray.Rect, image.YCbCrSubsampleRatio420)
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = 128, 128
	}
	c.Rect, c.Y, c.YStride, c.Cb, c.Cr, c.CStride = img.Rect, gray.Pix, gray.Stride, img.Cb, img.Cr, img.CStride
	return c
}
