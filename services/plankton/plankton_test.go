package plankton

import (
	"context"
	"encoding/json"
	"image"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/dataset"
)

// small returns the parameters of small pictures with many organisms.
func small() Params {
	p := Default()
	p.Width, p.Height, p.Objects, p.Dirt = 400, 300, 5, 0
	return p
}

func TestPicturesAreReproducible(t *testing.T) {
	v := View{Volume: 0.001, Light: 1}
	a, ta := New(small()).Picture(v)
	b, tb := New(small()).Picture(v)
	require.Equal(t, a, b)
	require.Equal(t, ta, tb)
	v.Number++
	c, tc := New(small()).Picture(v)
	require.NotEqual(t, a.Y, c.Y, "noise of the second picture")
	require.Equal(t, ta, tc)
	p := small()
	p.Seed++
	_, td := New(p).Picture(v)
	require.NotEqual(t, ta, td)
}

// TestTruthIsDark compares the brightness of the objects' pixels with that of the background.
func TestTruthIsDark(t *testing.T) {
	p := small()
	p.Falloff, p.NoiseSigma = 0, 0
	img, truth := New(p).Picture(View{Light: 1})
	require.NotEmpty(t, truth.Objects)
	inside := image.NewGray(img.Rect)
	for _, o := range truth.Objects {
		area := 0
		for _, r := range o.Runs {
			area += r.X1 - r.X0
			for x := r.X0; x < r.X1; x++ {
				inside.Pix[inside.PixOffset(x, r.Y)] = 1
			}
		}
		require.Equal(t, o.Area, area)
		require.True(t, o.Bounds().In(img.Rect))
	}
	for i, in := range inside.Pix {
		x, y := i%p.Width, i/p.Width
		brightness := float64(img.Y[img.YOffset(x, y)])
		if in == 1 {
			require.Less(t, brightness, 0.9*p.Background, "object at %d,%d", x, y)
		}
	}
}

// TestDrift: half a field further in the stream, organisms are half a field further in the picture.
func TestDrift(t *testing.T) {
	w := New(small())
	_, before := w.Picture(View{Light: 1})
	_, after := w.Picture(View{Volume: w.FieldVolume() / 2, Light: 1})
	moved := 0
	for _, a := range after.Objects {
		for _, b := range before.Objects {
			if a.ID == b.ID && a.Area == b.Area {
				require.Equal(t, b.Bounds().Sub(image.Pt(w.params.Width/2, 0)), a.Bounds())
				moved++
			}
		}
	}
	require.Positive(t, moved)
}

// contrast returns the standard deviation of the brightness.
func contrast(img *image.YCbCr) float64 {
	sum, squares := 0.0, 0.0
	for _, v := range img.Y {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	n := float64(len(img.Y))
	return math.Sqrt(squares/n - sum/n*sum/n)
}

func TestFocusAndLight(t *testing.T) {
	p := small()
	p.Falloff = 0
	w := New(p)
	sharp, _ := w.Picture(View{Light: 1})
	blurred, _ := w.Picture(View{Light: 1, Defocus: 2000})
	dark, _ := w.Picture(View{Light: 0})
	require.Less(t, contrast(blurred), contrast(sharp)*0.7)
	require.Less(t, contrast(dark), 3.0)
}

// TestResized compares the outlines of a preview with those of the picture.
func TestResized(t *testing.T) {
	w := New(small())
	_, large := w.Picture(View{Light: 1})
	_, half := w.Resized(200, 150).Picture(View{Light: 1})
	require.Len(t, half.Objects, len(large.Objects))
	for i, o := range half.Objects {
		require.InDelta(t, float64(large.Objects[i].Area)/4, float64(o.Area), 0.1*float64(o.Area)+20)
	}
}

func TestSampleWrite(t *testing.T) {
	s := Sample{Name: "x", Params: small(), Pictures: 3, Broken: 2}
	dir := filepath.Join(t.TempDir(), "x")
	require.NoError(t, s.Write(context.Background(), dir))
	require.NoError(t, dataset.Verify(dir))
	names, err := dataset.Pictures(dir)
	require.NoError(t, err)
	require.Len(t, names, 3)
	truth, err := ReadTruth(dir, names[0])
	require.NoError(t, err)
	_, want := New(s.Params).Picture(View{Light: 1})
	require.Equal(t, want, truth)
	m, err := dataset.ReadMetadata(dir)
	require.NoError(t, err)
	require.Equal(t, "simulated", m.Text("acq_instrument"))
}

func TestRunJSON(t *testing.T) {
	data, err := json.Marshal(Run{1, 2, 3})
	require.NoError(t, err)
	require.Equal(t, "[1,2,3]", string(data))
	var r Run
	require.NoError(t, json.Unmarshal(data, &r))
	require.Equal(t, Run{1, 2, 3}, r)
	require.ErrorContains(t, json.Unmarshal([]byte(`"x"`), &r), "is not [y,x0,x1]")
}

func TestSamplesDiffer(t *testing.T) {
	names, seeds := map[string]bool{}, map[uint64]bool{}
	for _, s := range Samples() {
		names[s.Name], seeds[s.Params.Seed] = true, true
	}
	require.Len(t, names, 10)
	require.Len(t, seeds, 10)
}

func BenchmarkPicture(b *testing.B) {
	w := New(Default())
	for i := range b.N {
		w.Picture(View{Volume: float64(i), Light: 1})
	}
}
