package segmenter

import (
	"context"
	"fmt"
	"image"
	"path/filepath"
	"strings"

	"github.com/PlanktoScope/pkbuild/services/segmenter/masks"
	"github.com/PlanktoScope/pkbuild/services/segmenter/pictures"
)

// margin is the number of pixels of a cut-out around the box of its object.
const margin = 10

// Object is an object that was found in a picture, with its features.
type Object struct {
	Name     string   `json:"name"` // of the picture and the number in it; its cut-out is Name.jpg
	Features Features `json:"features"`

	region, filled masks.Region
	box            image.Rectangle // of the cut-out
}

// Cutout returns the name, without a directory, of the JPEG file with the part of the picture that shows the object.
func (o Object) Cutout() string { return o.Name + ".jpg" }

// Runs returns the pixels of an object as runs in rows. Only objects in events have them; of others Runs returns nil.
func (o Object) Runs() []masks.Run { return o.region.Runs }

// finder finds the objects of single pictures.
type finder struct {
	settings Settings
	minArea  float64
	cleaner  *pictures.Cleaner
	hsv      pictures.HSV
}

// found is a segmented picture.
type found struct {
	cleaned *image.RGBA
	objects []Object
}

// find segments a picture, which is read from its file if it is nil. previous is the file of the picture before it, or "".
func (f *finder) find(ctx context.Context, file, previous string, img *image.YCbCr, keep func(step)) (found, error) {
	before, err := f.previousMask(ctx, previous)
	if err != nil {
		return found{}, err
	}
	if img == nil {
		if img, err = pictures.Open(ctx, file); err != nil {
			return found{}, err
		}
	}
	cleaned, err := f.cleaner.Clean(ctx, img)
	if err != nil {
		return found{}, err
	}
	regions, err := f.regions(ctx, cleaned, before, keep)
	if err != nil {
		return found{}, err
	}
	name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	result := found{cleaned: cleaned}
	for _, region := range regions {
		if err := ctx.Err(); err != nil {
			return found{}, err
		}
		if o, large := f.object(cleaned, region); large {
			o.Name = fmt.Sprintf("%s_%d", name, len(result.objects))
			result.objects = append(result.objects, o)
		}
	}
	return result, nil
}

// regions returns what may be an object in a cleaned picture.
func (f *finder) regions(ctx context.Context, cleaned *image.RGBA, before *masks.Mask, keep func(step)) ([]masks.Region, error) {
	if f.settings.Method == Adaptive {
		return adaptiveRegions(ctx, cleaned, f.minArea, keep)
	}
	m, err := standardMask(ctx, cleaned, before, keep)
	if err != nil {
		return nil, err
	}
	return m.Regions(), nil
}

// previousMask returns the thresholded previous picture, divided by the same background, or nil if the settings do not
// subtract it or it cannot be read.
func (f *finder) previousMask(ctx context.Context, file string) (*masks.Mask, error) {
	if !f.settings.SubtractMasks || file == "" {
		return nil, nil
	}
	img, err := pictures.Open(ctx, file)
	if err != nil {
		return nil, ctx.Err()
	}
	cleaned, err := f.cleaner.Clean(ctx, img)
	if err != nil {
		return nil, ctx.Err()
	}
	return threshold(ctx, cleaned)
}

// object measures a region, and reports whether it is large enough for an object.
func (f *finder) object(cleaned *image.RGBA, region masks.Region) (Object, bool) {
	if float64(region.Box.Dx()*region.Box.Dy()) < f.minArea {
		return Object{}, false
	}
	filled := region.Filled()
	if float64(filled.Area) < f.minArea {
		return Object{}, false
	}
	box := region.Box.Inset(-margin).Intersect(cleaned.Rect)
	return Object{Features: measure(cleaned, region, filled, box, f.hsv), region: region, filled: filled, box: box}, true
}
