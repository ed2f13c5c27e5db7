package segmenter

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/plankton"
)

// comparison collects how objects differ from those of the reference.
type comparison struct {
	expected, matched, surplus, identical int
	missing                               []string
	digits                                float64              // largest relative difference of a feature
	differences                           map[string][]float64 // by feature, of objects with the same pixels
	changes                               map[string][]float64 // by feature, relative, of objects with other pixels
}

func newComparison() *comparison {
	return &comparison{differences: map[string][]float64{}, changes: map[string][]float64{}}
}

// compareAll compares a data set.
func (c *comparison) compareAll(name string, want []referencePicture, found map[string][]foundObject) {
	pictures := map[string]bool{}
	for _, p := range want {
		picture := strings.TrimSuffix(strings.TrimSuffix(p.Picture, ".png"), ".jpg") + ".jpg"
		pictures[picture] = true
		c.compare(name+"/"+picture, p.Objects, found[picture])
	}
	for picture, objects := range found {
		if !pictures[picture] {
			c.surplus += len(objects)
		}
	}
}

// compare matches the objects of a picture one to one, by the largest overlap.
func (c *comparison) compare(picture string, want []referenceObject, got []foundObject) {
	c.expected += len(want)
	used := map[int]bool{}
	for _, w := range want {
		best, most := -1, 0.0
		for i, o := range got {
			if iou := w.overlap(o); !used[i] && iou > most {
				best, most = i, iou
			}
		}
		if most < 0.98 {
			c.missing = append(c.missing, fmt.Sprintf("%s at %v: IoU %.3f", picture, w.Features[3:5], most))
			continue
		}
		used[best] = true
		c.matched++
		if most == 1 {
			c.identical++
		}
		for i, name := range FeatureNames {
			d := math.Abs(got[best].features[i] - w.Features[i])
			if name == "angle" {
				d = min(d, 180-d) // 0° and 180° are the same direction
			}
			c.digits = max(c.digits, d/max(1, math.Abs(w.Features[i])))
			if most == 1 {
				c.differences[name] = append(c.differences[name], d)
			} else {
				c.changes[name] = append(c.changes[name], d/max(1, math.Abs(w.Features[i])))
			}
		}
	}
	c.surplus += len(got) - len(used)
}

// overlap returns the intersection over union of two objects.
func (o referenceObject) overlap(found foundObject) float64 {
	if o.Sum == "" {
		return plankton.Overlap(o.Runs, found.runs)
	}
	if o.Sum == sumOf(found.runs) {
		return 1
	}
	return 0
}

// requireEqual checks results for pictures with the same pixels: there are the same objects, and all features agree in the
// nine digits that the golden file has.
func (c *comparison) requireEqual(t *testing.T) {
	t.Logf("%d objects, %d found, %d surplus", c.expected, c.matched, c.surplus)
	require.Empty(t, c.missing)
	require.Zero(t, c.surplus)
	require.Equal(t, c.expected, c.identical)
	require.Less(t, c.digits, 1e-9, "largest relative difference of a feature")
}

// requireClose checks results for pictures that the reference decoded itself. Its decoder, libjpeg, and that of Go round
// the inverse cosine transform differently: about 2 % of the pixels differ by one, so outlines differ in single pixels.
func (c *comparison) requireClose(t *testing.T) {
	t.Logf("%d objects, %d found with IoU ≥ 0.98, %d of them identical, %d surplus, missing: %v", c.expected, c.matched, c.identical, c.surplus, c.missing)
	require.GreaterOrEqual(t, float64(c.matched), 0.99*float64(c.expected))
	require.LessOrEqual(t, float64(c.surplus), 0.01*float64(c.expected))
	for _, name := range FeatureNames {
		limit := limits95[name]
		if limit == (limit95{}) {
			limit = limit95{usual: 0.006, most: 0.06}
		}
		same, other := c.differences[name], c.changes[name]
		slices.Sort(other)
		usual, most := other[len(other)*95/100], other[len(other)-1]
		t.Logf("%-20s same outline: at most %.3g; other outline: 95 %% at most %.2g, all at most %.3g", name, slices.Max(same), usual, most)
		require.LessOrEqual(t, slices.Max(same), max(limit.same, 1e-6), name)
		require.LessOrEqual(t, usual, limit.usual, name)
		require.LessOrEqual(t, most, limit.most, name)
	}
}

// limit95 is how much a feature may differ because of another JPEG decoder: absolutely for objects with the same outline,
// and relative to the value, or to 1 for smaller ones, for 95 % of the others and for all.
type limit95 struct{ same, usual, most float64 }

// limits95 has the features that differ more than by 0.6 % of the value for 95 % and by 6 % for all objects with another
// outline, or in objects with the same outline.
var limits95 = map[string]limit95{
	"label":          {5, 0.006, 1},      // counts specks of single pixels, too
	"euler_number":   {0, 0.006, 2},      // a whole number: a pixel opens or closes a hole
	"angle":          {0, 0.006, 0.15},   // of an almost round object
	"MeanHue":        {1.2, 0.006, 0.03}, // the hue of a grey pixel jumps from 0 to 179 when one colour changes by one
	"StdHue":         {1.2, 0.06, 0.3},
	"MeanSaturation": {0.2, 0.006, 0.02},
	"StdSaturation":  {0.2, 0.01, 0.04},
	"MeanValue":      {0.06, 0.003, 0.01},
	"StdValue":       {0.06, 0.02, 0.04},
	"blur_laplacian": {10, 0.006, 0.02}, // of values around 1000
}
