package segmenter

import (
	"image"
	"math"

	"github.com/PlanktoScope/pkbuild/services/segmenter/masks"
	"github.com/PlanktoScope/pkbuild/services/segmenter/pictures"
)

// FeatureNames are the names of an object's features, in the order of the EcoTaxa table, without the prefix "object_".
var FeatureNames = []string{
	"label", "width", "height", "bx", "by", "circ.", "area_exc", "area", "%area", "major", "minor", "y", "x", "convex_area",
	"perim.", "elongation", "perimareaexc", "perimmajor", "circex", "angle", "bounding_box_area", "eccentricity",
	"equivalent_diameter", "euler_number", "extent", "local_centroid_col", "local_centroid_row", "solidity",
	"MeanHue", "MeanSaturation", "MeanValue", "StdHue", "StdSaturation", "StdValue", "blur_laplacian",
}

// Features are the values of an object in the order of FeatureNames. Lengths and areas are in pixels.
type Features []float64

// Of returns the value of the feature with a name, such as "area"; NaN for an unknown name.
func (f Features) Of(name string) float64 {
	for i, n := range FeatureNames {
		if n == name {
			return f[i]
		}
	}
	return math.NaN()
}

// Map returns the features by their names.
func (f Features) Map() map[string]float64 {
	m := map[string]float64{}
	for i, name := range FeatureNames {
		m[name] = f[i]
	}
	return m
}

// measure returns the features of a region of a cleaned picture. The filled region is that without holes, and the box is
// that of the cut-out.
func measure(cleaned *image.RGBA, region, filled masks.Region, box image.Rectangle, hsv pictures.HSV) Features {
	m, c := region.Moments(), colours(cleaned, filled, hsv)
	perimeter, convex := region.Perimeter(), float64(region.ConvexArea())
	area, exc, boxArea := float64(filled.Area), float64(region.Area), float64(region.Box.Dx()*region.Box.Dy())
	return Features{
		float64(region.Label), float64(region.Box.Dx()), float64(region.Box.Dy()), float64(region.Box.Min.X), float64(region.Box.Min.Y),
		ratio(4*math.Pi*area, perimeter*perimeter), exc, area, 1 - exc/area, m.Major, m.Minor, m.Y, m.X, convex,
		perimeter, ratio(m.Major, m.Minor), perimeter / exc, ratio(perimeter, m.Major), ratio(4*math.Pi*exc, perimeter*perimeter),
		m.Orientation/math.Pi*180 + 90, boxArea, m.Eccentricity,
		math.Sqrt(4 * exc / math.Pi), float64(region.Euler()), exc / boxArea,
		m.X - float64(region.Box.Min.X), m.Y - float64(region.Box.Min.Y), exc / convex,
		c[0].mean(), c[1].mean(), c[2].mean(), c[0].deviation(), c[1].deviation(), c[2].deviation(), blur(cleaned, box),
	}
}

// ratio divides. A ratio to 0, as of the axes of a straight line, is 0: EcoTaxa takes no infinity.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// sum adds up whole numbers and their squares exactly.
type sum struct{ n, values, squares int64 }

func (s *sum) add(v int64) {
	s.n++
	s.values += v
	s.squares += v * v
}

func (s sum) mean() float64 { return float64(s.values) / float64(s.n) }

// variance returns the variance of the values themselves, not of a population they were drawn from.
func (s sum) variance() float64 {
	return max(0, (float64(s.squares)-float64(s.mean()*float64(s.values)))/float64(s.n))
}

func (s sum) deviation() float64 { return math.Sqrt(s.variance()) }

// colours adds up hue, saturation and value of a region.
func colours(img *image.RGBA, region masks.Region, hsv pictures.HSV) [3]sum {
	var sums [3]sum
	for _, r := range region.Runs {
		row := img.Pix[img.PixOffset(int(r.X0), int(r.Y)):]
		for x := range int(r.X1 - r.X0) {
			h, s, v := hsv.Convert(row[4*x], row[4*x+1], row[4*x+2])
			sums[0].add(int64(h))
			sums[1].add(int64(s))
			sums[2].add(int64(v))
		}
	}
	return sums
}

// blur returns the variance of the Laplacian of the brightness of a cut-out, which is mirrored at its border pixels. It is
// small if nothing in the cut-out is in focus.
func blur(img *image.RGBA, box image.Rectangle) float64 {
	width, height := box.Dx(), box.Dy()
	gray := make([]int64, width*height)
	for y := range height {
		for x := range width {
			gray[y*width+x] = int64(pictures.Gray(img, box.Min.X+x, box.Min.Y+y))
		}
	}
	var s sum
	for y := range height {
		up, down := mirror(y-1, height)*width, mirror(y+1, height)*width
		for x := range width {
			left, right := mirror(x-1, width), mirror(x+1, width)
			s.add(gray[up+x] + gray[down+x] + gray[y*width+left] + gray[y*width+right] - 4*gray[y*width+x])
		}
	}
	return s.variance()
}

// mirror reflects a coordinate at the first or last pixel.
func mirror(i, n int) int {
	if i < 0 {
		return min(1, n-1)
	}
	if i >= n {
		return max(0, n-2)
	}
	return i
}
