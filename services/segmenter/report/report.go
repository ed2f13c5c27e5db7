// Package report writes the results of a segmentation as an HTML page with pictures: counts, the size spectrum, the
// cut-outs, and what was left out and why. The page needs no network and no scripts.
package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"net/url"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/services/segmenter"
)

// MaxCutouts is the number of cut-outs of a data set that the page shows.
const MaxCutouts = 1000

//go:embed report.html
var page string

// dataSet is what the page shows of a data set.
type dataSet struct {
	segmenter.Result
	Simulated         bool
	MinSize, MaxSize  float64 // µm
	MeanSize, PerPict float64
	Spectrum          []bar
	Cutouts           []cutout
	Hidden            int // cut-outs that are not shown
}

// cutout is a picture of an object.
type cutout struct {
	Source string // URL
	Name   string
	Size   float64 // µm
}

// Write writes an HTML page with the results of segmentations. Its links are relative to dir, the directory of the
// page.
func Write(w io.Writer, dir string, results []segmenter.Result) error {
	t, err := template.New("report").Parse(page)
	if err != nil {
		return err
	}
	var sets []dataSet
	for _, r := range results {
		d, err := newDataSet(dir, r)
		if err != nil {
			return err
		}
		sets = append(sets, d)
	}
	return t.Execute(w, sets)
}

// newDataSet prepares a data set for the page.
func newDataSet(dir string, r segmenter.Result) (dataSet, error) {
	d := dataSet{Result: r, Simulated: r.Simulated, MinSize: math.Inf(1)}
	base, err := filepath.Rel(dir, r.Dir)
	if err != nil {
		return d, err
	}
	var sizes []float64
	for _, o := range r.Objects {
		size := o.Features.Of("equivalent_diameter") * r.Pixel
		sizes = append(sizes, size)
		d.MinSize, d.MaxSize, d.MeanSize = min(d.MinSize, size), max(d.MaxSize, size), d.MeanSize+size/float64(len(r.Objects))
		if len(d.Cutouts) < MaxCutouts {
			link := url.URL{Path: filepath.ToSlash(filepath.Join(base, o.Cutout()))}
			d.Cutouts = append(d.Cutouts, cutout{link.String(), o.Name, size})
		}
	}
	d.Hidden = len(r.Objects) - len(d.Cutouts)
	d.Spectrum = spectrum(sizes)
	if r.Pictures > 0 {
		d.PerPict = float64(len(r.Objects)) / float64(r.Pictures)
	}
	return d, nil
}

// bar is a bar of the size spectrum: objects with a diameter from Low to below High, in µm.
type bar struct {
	Low, High float64
	Count     int
	X, Height float64 // in the drawing
}

// The drawing of the size spectrum, in pixels.
const (
	barWidth   = 48
	plotHeight = 120
)

// Label returns the range of the diameters of a bar's objects in µm, such as "20–40".
func (b bar) Label() string { return fmt.Sprintf("%.0f–%.0f", b.Low, b.High) }

// Y returns the coordinate of the upper end of a bar in the drawing, from its top.
func (b bar) Y() float64 { return plotHeight - b.Height }

// spectrum returns the numbers of objects in ranges of size that grow by the factor √2.
func spectrum(sizes []float64) []bar {
	counts := map[int]int{}
	low, high, most := math.MaxInt, math.MinInt, 0
	for _, s := range sizes {
		k := int(math.Floor(2 * math.Log2(max(s, 1e-3))))
		counts[k]++
		low, high, most = min(low, k), max(high, k), max(most, counts[k])
	}
	var bars []bar
	for k := low; k <= high; k++ {
		bars = append(bars, bar{
			Low: math.Pow(2, float64(k)/2), High: math.Pow(2, float64(k+1)/2), Count: counts[k],
			X: float64(len(bars)) * barWidth, Height: plotHeight * 0.85 * float64(counts[k]) / float64(most),
		})
	}
	return bars
}
