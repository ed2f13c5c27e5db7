package segmenter

import (
	"context"
	"image"
	"math"
	"slices"

	"github.com/PlanktoScope/pkbuild/services/segmenter/masks"
	"github.com/PlanktoScope/pkbuild/services/segmenter/pictures"
)

// Parameters of the adaptive method.
const (
	tile        = 128 // pixels of a square in which the light is measured
	noiseFactor = 5   // standard deviations of the noise that an object is darker than its surroundings, at least
	leastDepth  = 6   // the same in steps of brightness
	edge        = 0.5 // share of the depth of an object at which its outline runs
	halo        = 4   // pixels around an object that belong to its blur
	neckRatio   = 0.5 // a place narrower than this share of both parts separates objects
)

// adaptiveOperations describe the steps of the adaptive method in the EcoTaxa table.
var adaptiveOperations = []string{
	"{'type': 'background correction', 'parameters': 'median of 9 pictures'}",
	"{'type': 'intensity scaling', 'parameters': 'quotient 0 to 1.04'}",
	"{'type': 'light correction', 'parameters': 'median of tiles of 128x128'}",
	"{'type': 'threshold', 'parameters': '5 sigma of the noise, at least 6'}",
	"{'type': 'outline', 'parameters': 'half of the depth of each object'}",
	"{'type': 'split', 'parameters': 'necks below 0.5 of the width'}",
}

// adaptiveRegions returns the objects of a cleaned picture. Other than in the standard method, each place is compared with
// the light around it, the outline of each object runs where it is half as dark as the object, and objects that touch are
// split.
func adaptiveRegions(ctx context.Context, cleaned *image.RGBA, minArea float64, keep func(step)) ([]masks.Region, error) {
	d, err := newDepths(ctx, cleaned)
	if err != nil {
		return nil, err
	}
	limit := max(leastDepth, noiseFactor*d.noise)
	mask := d.mask(func(depth int16) bool { return float64(depth) >= limit })
	keep(step{"threshold", mask})
	var found []masks.Region
	for _, r := range mask.Regions() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if float64(r.Area) >= minArea/4 {
			found = append(found, d.outline(r, minArea, 2)...)
		}
	}
	slices.SortFunc(found, func(a, b masks.Region) int {
		if a.Runs[0].Y != b.Runs[0].Y {
			return int(a.Runs[0].Y - b.Runs[0].Y)
		}
		return int(a.Runs[0].X0 - b.Runs[0].X0)
	})
	for i := range found {
		found[i].Label = i + 1
	}
	return found, nil
}

// depths is how much darker each pixel is than the light around it.
type depths struct {
	width, height int
	values        []int16 // smoothed over 3×3 pixels
	noise         float64 // standard deviation of the background
}

// newDepths measures a cleaned picture.
func newDepths(ctx context.Context, cleaned *image.RGBA) (*depths, error) {
	d := &depths{width: cleaned.Rect.Dx(), height: cleaned.Rect.Dy()}
	d.values = make([]int16, d.width*d.height)
	row := make([]uint8, d.width)
	for y := range d.height {
		pictures.GrayRow(cleaned, y, row)
		for x, v := range row {
			d.values[y*d.width+x] = int16(v)
		}
	}
	if d.width > 1 {
		d.values[0] = d.values[1] // the black pixel
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.smooth()
	light := d.light()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var counts [512]int
	for y := range d.height {
		for x := range d.width {
			v := &d.values[y*d.width+x]
			*v = light.at(x, y) - *v
			counts[min(511, max(*v, -*v))]++
		}
	}
	// The median of absolute values, between whole numbers, and the factor to the standard deviation.
	half, below := len(d.values)/2, 0
	for i, n := range counts {
		if below+n > half {
			d.noise = 1.4826 * max(0, float64(i)-0.5+float64(half-below)/float64(n))
			break
		}
		below += n
	}
	return d, nil
}

// smooth replaces each value by the mean of 3×3 pixels.
func (d *depths) smooth() {
	pass := func(n, step, lines, line int) {
		for l := range lines {
			at := l * line
			before := d.values[at]
			for i := range n {
				k := at + i*step
				after := d.values[k]
				if i+1 < n {
					after = d.values[k+step]
				}
				current := d.values[k]
				d.values[k] = (before + current + after + 1) / 3
				before = current
			}
		}
	}
	pass(d.width, 1, d.height, d.width)
	pass(d.height, d.width, d.width, 1)
}

// light is the brightness of the background at the centres of tiles.
type light struct {
	columns, rows int
	values        []float64
}

// light measures the median of each tile, and replaces it by the median of the tiles around it, as an object may cover a
// whole tile.
func (d *depths) light() light {
	l := light{columns: (d.width + tile - 1) / tile, rows: (d.height + tile - 1) / tile}
	single := make([]float64, l.columns*l.rows)
	for i := range single {
		var counts [256]int
		n := 0
		x0, y0 := i%l.columns*tile, i/l.columns*tile
		for y := y0; y < min(d.height, y0+tile); y++ {
			for x := x0; x < min(d.width, x0+tile); x++ {
				counts[d.values[y*d.width+x]]++
				n++
			}
		}
		for v, below := 0, 0; v < 256; v++ {
			if below += counts[v]; below > n/2 {
				single[i] = float64(v)
				break
			}
		}
	}
	for i := range single {
		var around []float64
		for y := max(0, i/l.columns-1); y <= min(l.rows-1, i/l.columns+1); y++ {
			for x := max(0, i%l.columns-1); x <= min(l.columns-1, i%l.columns+1); x++ {
				around = append(around, single[y*l.columns+x])
			}
		}
		slices.Sort(around)
		l.values = append(l.values, around[len(around)/2])
	}
	return l
}

// at interpolates between the centres of tiles.
func (l light) at(x, y int) int16 {
	u, v := (float64(x)+0.5)/tile-0.5, (float64(y)+0.5)/tile-0.5
	x0, y0 := int(math.Floor(u)), int(math.Floor(v))
	fx, fy := u-float64(x0), v-float64(y0)
	value := func(x, y int) float64 {
		return l.values[max(0, min(l.rows-1, y))*l.columns+max(0, min(l.columns-1, x))]
	}
	top := value(x0, y0)*(1-fx) + float64(value(x0+1, y0)*fx)
	bottom := value(x0, y0+1)*(1-fx) + float64(value(x0+1, y0+1)*fx)
	return int16(math.Round(top*(1-fy) + float64(bottom*fy)))
}

// mask returns the pixels whose depth fulfils a condition.
func (d *depths) mask(is func(int16) bool) *masks.Mask {
	m := masks.New(d.width, d.height)
	for y := range d.height {
		for x, v := range d.values[y*d.width:][:d.width] {
			if is(v) {
				m.Set(x, y)
			}
		}
	}
	return m
}

// outline returns the objects in a region that is darker than the background: the pixels at least half as dark as the
// region, split at necks. What is lighter and not next to them may be another object, which is looked for rounds-1 times.
func (d *depths) outline(region masks.Region, minArea float64, rounds int) []masks.Region {
	var values []int16
	for _, r := range region.Runs {
		values = append(values, d.values[int(r.Y)*d.width+int(r.X0):int(r.Y)*d.width+int(r.X1)]...)
	}
	slices.Sort(values)
	limit := int16(edge * float64(values[len(values)*3/4]))
	box := region.Box.Inset(-halo - 1).Intersect(image.Rect(0, 0, d.width, d.height))
	dark, rest := masks.New(box.Dx(), box.Dy()), masks.New(box.Dx(), box.Dy())
	for _, r := range region.Runs {
		for x := int(r.X0); x < int(r.X1); x++ {
			if d.values[int(r.Y)*d.width+x] >= limit {
				dark.Set(x-box.Min.X, int(r.Y)-box.Min.Y)
			} else {
				rest.Set(x-box.Min.X, int(r.Y)-box.Min.Y)
			}
		}
	}
	var found []masks.Region
	inside := masks.New(box.Dx(), box.Dy()) // the filled objects
	for _, r := range dark.Regions() {
		filled := r.Filled()
		if float64(filled.Area) < minArea/4 {
			continue
		}
		filled.Mark(inside)
		for _, part := range filled.Split(neckRatio, math.Sqrt(minArea/math.Pi)/3) {
			found = append(found, part.Shifted(box.Min))
		}
	}
	if rounds > 1 {
		rest.Subtract(inside.Dilate(masks.Disc(halo)))
		for _, r := range rest.Regions() {
			if float64(r.Area) >= minArea/2 {
				found = append(found, d.outline(r.Shifted(box.Min), minArea, rounds-1)...)
			}
		}
	}
	return found
}
