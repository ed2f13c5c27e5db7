package segmenter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"

	"github.com/PlanktoScope/pkbuild/services/segmenter/pictures"
)

// quality is the JPEG quality of cut-outs and of kept pictures, OpenCV's default.
const quality = 95

// outcome is the result of a worker: a record with the cut-outs of its objects, or an error that ends the segmentation.
type outcome struct {
	record  record
	cutouts [][]byte
	err     error
}

// start segments picture i in a goroutine.
func (r *run) start(ctx context.Context, f *finder, i int) chan outcome {
	img := r.decoded[i]
	delete(r.decoded, i)
	done := make(chan outcome, 1)
	go func() {
		rec, cutouts, err := r.segment(ctx, f, i, img)
		done <- outcome{rec, cutouts, err}
	}()
	return done
}

// segment finds the objects of picture i, which is read if it is nil. A picture that cannot be used is no error.
func (r *run) segment(ctx context.Context, f *finder, i int, img *image.YCbCr) (record, [][]byte, error) {
	rec, file, previous := record{Picture: r.names[i]}, filepath.Join(r.dir, r.names[i]), ""
	if i > 0 {
		previous = filepath.Join(r.dir, r.names[i-1])
	}
	var steps []step
	keep := func(step) {}
	if r.settings.Keep {
		keep = func(s step) { steps = append(steps, step{s.name, s.mask.Clone()}) }
	}
	if size, err := pictures.Size(file); err == nil && size != r.size {
		rec.Skipped = fmt.Sprintf("picture has %d×%d pixels, want %d×%d as the first one", size.X, size.Y, r.size.X, r.size.Y)
		return rec, nil, nil
	}
	result, err := f.find(ctx, file, previous, img, keep)
	var system *os.PathError
	switch {
	case ctx.Err() != nil:
		return rec, nil, context.Cause(ctx)
	case errors.As(err, &system):
		return rec, nil, err
	case err != nil:
		rec.Skipped = strings.TrimPrefix(err.Error(), file+": ")
		return rec, nil, nil
	}
	rec.Objects = result.objects
	cutouts := make([][]byte, len(result.objects))
	for k, o := range result.objects {
		if cutouts[k], err = encode(result.cleaned.SubImage(o.box)); err != nil {
			return rec, nil, err
		}
	}
	if r.settings.Keep {
		err = r.keepPicture(ctx, rec.Picture, result, steps)
	}
	return rec, cutouts, err
}

// encode returns a picture as JPEG.
func encode(img image.Image) ([]byte, error) {
	var b bytes.Buffer
	err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality})
	return b.Bytes(), err
}

// saveJPEG writes a picture, and the directory for it. It is not synced: it can be made again.
func saveJPEG(name string, img image.Image) error {
	data, err := encode(img)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

// keepPicture writes what the steps made of a picture: the cleaned picture, the masks, those of the objects, and the
// objects' boxes.
func (r *run) keepPicture(ctx context.Context, name string, f found, steps []step) error {
	dir := filepath.Join(r.cleanDir(), strings.TrimSuffix(name, filepath.Ext(name)))
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	type file struct {
		name string
		img  func() image.Image
	}
	files := []file{{"cleaned_image.jpg", func() image.Image { return f.cleaned }}}
	for i, s := range steps {
		files = append(files, file{fmt.Sprintf("mask_%d_%s.jpg", i, s.name), func() image.Image { return s.mask.Image() }})
	}
	for k, o := range f.objects {
		files = append(files, file{fmt.Sprintf("obj_%d_mask.jpg", k), func() image.Image { return o.mask() }})
	}
	// The boxes are drawn last, into the cleaned picture itself.
	files = append(files, file{"tagged.jpg", func() image.Image { return tag(f.cleaned, f.objects) }})
	for _, to := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := saveJPEG(filepath.Join(dir, to.name), to.img()); err != nil {
			return err
		}
	}
	return nil
}

// mask returns the filled object in its cut-out: white on black.
func (o Object) mask() *image.Gray {
	img := image.NewGray(o.box)
	for _, run := range o.filled.Runs {
		for x := run.X0; x < run.X1; x++ {
			img.SetGray(int(x), int(run.Y), color.Gray{Y: 255})
		}
	}
	return img
}

// tag draws red boxes around objects.
func tag(img *image.RGBA, objects []Object) *image.RGBA {
	red := image.NewUniform(color.RGBA{R: 255, A: 255})
	for _, o := range objects {
		for inset := range 2 {
			b := o.region.Box.Inset(-1 - inset)
			for _, side := range []image.Rectangle{
				{b.Min, image.Pt(b.Max.X, b.Min.Y+1)}, {image.Pt(b.Min.X, b.Max.Y-1), b.Max},
				{b.Min, image.Pt(b.Min.X+1, b.Max.Y)}, {image.Pt(b.Max.X-1, b.Min.Y), b.Max},
			} {
				draw.Draw(img, side, red, image.Point{}, draw.Src)
			}
		}
	}
	return img
}
