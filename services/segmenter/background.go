package segmenter

import (
	"context"
	"errors"
	"image"
	"path/filepath"
	"slices"
	"sync"

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
	decoded := make([]*image.YCbCr, len(r.names))
	var used []int
	load := func(candidates []int) error {
		for len(candidates) > 0 && len(used) < flatPictures {
			batch := candidates[:min(len(candidates), flatPictures-len(used))]
			candidates = candidates[len(batch):]
			if err := r.decodeAll(ctx, batch, decoded); err != nil {
				return err
			}
			for _, i := range batch {
				if decoded[i] != nil {
					used = append(used, i)
				}
			}
		}
		return nil
	}
	var after, before []int
	for i := range r.names {
		if i >= first {
			after = append(after, i)
		} else {
			before = append(before, i)
		}
	}
	slices.Reverse(before)
	if err := errors.Join(load(after), load(before)); err != nil {
		return nil, err
	}
	slices.Sort(used)
	if len(used)%2 == 0 && len(used) > 0 {
		used = used[:len(used)-1]
	}
	var series []*image.YCbCr
	for _, i := range used {
		series = append(series, decoded[i])
	}
	if len(series) == 0 {
		return nil, errors.New("no picture of the data set can be read")
	}
	return series, nil
}

// decodeAll decodes pictures. Those that are unusable stay nil.
func (r *run) decodeAll(ctx context.Context, numbers []int, decoded []*image.YCbCr) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.workers)
	var mu sync.Mutex
	for _, i := range numbers {
		group.Go(func() error {
			img, err := pictures.Open(ctx, filepath.Join(r.dir, r.names[i]))
			if err == nil && img.Rect.Size() == r.size {
				mu.Lock()
				decoded[i] = img
				mu.Unlock()
			}
			return ctx.Err()
		})
	}
	return group.Wait()
}

// newFinder computes the background from the pictures around the first one, and returns the finder that uses it.
func (r *run) newFinder(ctx context.Context, first int) (*finder, error) {
	r.emit(Event{Kind: CalculatingFlat})
	series, err := r.flatSeries(ctx, first)
	if err != nil {
		return nil, err
	}
	flat, err := pictures.NewFlat(ctx, series, r.workers)
	if err != nil {
		return nil, err
	}
	if r.settings.Keep {
		if err := saveJPEG(filepath.Join(r.cleanDir(), "flat_color.jpg"), flat.Image()); err != nil {
			return nil, err
		}
	}
	return &finder{settings: r.settings, minArea: r.scale.minArea(), cleaner: pictures.NewCleaner(flat), hsv: pictures.NewHSV()}, nil
}
