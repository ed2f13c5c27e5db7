package segmenter

import (
	"context"
	"errors"
	"image"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/PlanktoScope/pkbuild/services/segmenter/pictures"
)

// flatPictures is the number of pictures that a background is computed from. One of an even number is left out.
const flatPictures = 10

// surplus is how many objects more than the mean a picture has if the background probably changed.
const surplus = 20

// schedule decides from which pictures the background is computed.
type schedule struct {
	first int     // of the pictures
	count int     // segmented pictures
	mean  float64 // objects in them
}

// add counts the objects of picture i of n. It reports whether the following pictures need a new background.
func (s *schedule) add(i, n, objects int) (changed bool) {
	if float64(objects) > s.mean+surplus && i+1 < n {
		s.first, changed = i+1, true
	}
	s.mean = (float64(s.mean*float64(s.count)) + float64(objects)) / float64(s.count+1)
	s.count++
	return changed
}

// flatSeries decodes the pictures for a background: flatPictures from the first one on, and if there are fewer, those
// before it. Unusable pictures are left out. The number of pictures is odd.
func (r *run) flatSeries(ctx context.Context, first int) ([]*image.YCbCr, error) {
	var candidates, used []int
	for i := first; i < len(r.names); i++ {
		candidates = append(candidates, i)
	}
	for i := first - 1; i >= 0; i-- {
		candidates = append(candidates, i)
	}
	for len(candidates) > 0 && len(used) < flatPictures {
		batch := candidates[:min(len(candidates), flatPictures-len(used))]
		candidates = candidates[len(batch):]
		if err := r.decodeAll(ctx, batch); err != nil {
			return nil, err
		}
		for _, i := range batch {
			if r.decoded[i] != nil {
				used = append(used, i)
			}
		}
	}
	slices.Sort(used)
	if len(used)%2 == 0 && len(used) > 0 {
		used = used[:len(used)-1]
	}
	var series []*image.YCbCr
	for _, i := range used {
		series = append(series, r.decoded[i])
	}
	if len(series) == 0 {
		return nil, errors.New("no picture of the data set can be read")
	}
	return series, nil
}

// decodeAll decodes pictures, unless they are decoded. Unusable ones are left out.
func (r *run) decodeAll(ctx context.Context, numbers []int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.workers)
	images := make([]*image.YCbCr, len(numbers))
	for k, i := range numbers {
		if images[k] = r.decoded[i]; images[k] != nil {
			continue
		}
		group.Go(func() error {
			img, err := pictures.Open(ctx, filepath.Join(r.dir, r.names[i]))
			if err == nil && img.Rect.Size() == r.size {
				images[k] = img
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for k, i := range numbers {
		if images[k] != nil {
			r.decoded[i] = images[k]
		}
	}
	return nil
}

// forget releases decoded pictures but those that come next and that the memory suffices for beside the workers.
func (r *run) forget() {
	next := len(r.journal.records)
	keep := r.settings.spare(r.size.X, r.size.Y, r.workers)
	for i := range r.decoded {
		if i < next || i >= next+keep {
			delete(r.decoded, i)
		}
	}
}

// newFinder computes the background from the pictures around the first one, and returns the finder that uses it.
func (r *run) newFinder(ctx context.Context, first int) (*finder, error) {
	r.emit(Event{Kind: CalculatingFlat})
	if r.decoded == nil {
		r.decoded = map[int]*image.YCbCr{}
	}
	series, err := r.flatSeries(ctx, first)
	if err != nil {
		return nil, err
	}
	flat, err := pictures.NewFlat(ctx, series, r.workers)
	if err != nil {
		return nil, err
	}
	r.forget()
	if r.settings.Keep {
		if err := saveJPEG(filepath.Join(r.cleanDir(), "flat_color.jpg"), flat.Image()); err != nil {
			return nil, err
		}
	}
	return &finder{settings: r.settings, minArea: r.scale.minArea(), cleaner: pictures.NewCleaner(flat), hsv: pictures.NewHSV()}, nil
}
