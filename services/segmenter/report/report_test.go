package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/segmenter"
)

// object returns an object with a diameter in pixels.
func object(name string, diameter float64) segmenter.Object {
	f := make(segmenter.Features, len(segmenter.FeatureNames))
	for i, n := range segmenter.FeatureNames {
		if n == "equivalent_diameter" {
			f[i] = diameter
		}
	}
	return segmenter.Object{Name: name, Features: f}
}

func TestWrite(t *testing.T) {
	r := segmenter.Result{
		DataSet: "img/<a>", Pictures: 2, Dir: "/out/objects/x y", Pixel: 0.5, MinESD: 20, Simulated: true,
		Skipped: []segmenter.Skipped{{Picture: "3.jpg", Reason: "JPEG file is incomplete"}},
		Objects: []segmenter.Object{object("1_0", 100), object("1_1", 80), object("2_0", 400)},
	}
	var b bytes.Buffer
	require.NoError(t, Write(&b, "/out", []segmenter.Result{r, {DataSet: "empty", Dir: "/out/objects/e"}}))
	text := b.String()
	for _, want := range []string{
		"img/&lt;a&gt;", `src="objects/x%20y/1_0.jpg"`, "3 objects of at least 20 µm in 2 pictures, 1.5 per picture",
		"40 to 200 µm, mean 97 µm", "JPEG file is incomplete", "These pictures were simulated", "181–256 µm: 1",
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "http", "the page needs no network")
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			require.Contains(t, err.Error(), "unexpected EOF") // HTML elements without an end
			break
		}
	}
}

func TestManyCutouts(t *testing.T) {
	r := segmenter.Result{Dir: "/out/x"}
	for i := range MaxCutouts + 5 {
		r.Objects = append(r.Objects, object(fmt.Sprint(i), 10))
	}
	var b bytes.Buffer
	require.NoError(t, Write(&b, "/out", []segmenter.Result{r}))
	require.Equal(t, MaxCutouts, strings.Count(b.String(), "<figure>"))
	require.Contains(t, b.String(), "5 more objects are not shown")
}

func TestSpectrum(t *testing.T) {
	bars := spectrum([]float64{32, 45, 46, 100})
	var counts []int
	for _, b := range bars {
		counts = append(counts, b.Count)
	}
	require.Equal(t, []int{2, 1, 0, 1}, counts)
	require.Equal(t, "32–45", bars[0].Label())
	require.Empty(t, spectrum(nil))
}
