package plankton

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/jpeg"
	"os"
	"path/filepath"
	"time"

	"github.com/PlanktoScope/pkbuild/services/dataset"
)

// TruthDir is the directory of a data set with the ground truth of its pictures, NAME.json for NAME.jpg.
const TruthDir = "truth"

// Quality is the JPEG quality of the camera's pictures.
const Quality = 95

// Sample is a simulated data set to be written: a world of plankton and the number of its pictures.
type Sample struct {
	Name     string
	Params   Params
	Pictures int
	Broken   int // number, from 1, of a picture of which only the first third is written; 0 for none
}

// Samples returns the simulated data sets with which segmenters are tested, with pictures of a quarter of the camera's
// width and height.
func Samples() []Sample {
	p := Default().Quarter()
	p.Dirt = 4
	sample := func(name string, pictures, broken int, change func(*Params)) Sample {
		q := p
		q.Seed = uint64(len(name))*7919 + uint64(name[0]) // each sample has organisms of its own
		q.Objects = 6
		change(&q)
		return Sample{name, q, pictures, broken}
	}
	return []Sample{
		sample("sparse", 10, 0, func(q *Params) { q.Objects = 2 }),
		sample("standard", 12, 0, func(*Params) {}),
		sample("dense", 12, 0, func(q *Params) { q.Objects = 15 }),
		sample("faint", 10, 0, func(q *Params) { q.MinAbsorption, q.MaxAbsorption = 0.07, 0.12 }),
		sample("noisy", 10, 0, func(q *Params) { q.NoiseSigma = 6 }),
		sample("touching", 10, 0, func(q *Params) { q.Pairs, q.Chains = 0.8, 0.3 }),
		sample("border", 10, 0, func(q *Params) { q.Border = true }),
		sample("empty", 10, 0, func(q *Params) { q.Objects = 0 }),
		sample("light", 12, 0, func(q *Params) { q.LightChanges = true }),
		sample("few-broken", 5, 3, func(q *Params) { q.Dirt = 12 }),
	}
}

// Metadata returns the metadata of the sample as a controller writes it.
func (s Sample) Metadata() *dataset.Metadata {
	m := &dataset.Metadata{}
	for _, field := range []struct {
		key   string
		value any
	}{
		{"sample_project", "synthetic"}, {"sample_id", "simulated"}, {"sample_operator", "plankton"},
		{"acq_id", s.Name}, {"acq_instrument", "simulated"}, {"acq_celltype", s.Params.Thickness}, {"acq_minimum_mesh", 20},
		{"acq_maximum_mesh", 200}, {"acq_nb_frame", s.Pictures}, {"acq_camera_resolution", fmt.Sprintf("%dx%d", s.Params.Width, s.Params.Height)},
		{"object_date", "20260101"}, {"object_time", "120000"}, {"object_lat", 48.7}, {"object_lon", -3.9},
		{"process_pixel", s.Params.PixelSize}, {"process_id", 1},
	} {
		m.Set(field.key, field.value)
	}
	return m
}

// Write writes the data set with its ground truth to a directory, which it makes if necessary. It fails if the
// directory has a data set. If it fails later or ctx ends, the pictures written so far stay.
func (s Sample) Write(ctx context.Context, dir string) (err error) {
	w, err := dataset.Create(ctx, dir, s.Metadata())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := os.MkdirAll(filepath.Join(dir, TruthDir), 0o755); err != nil {
		return err
	}
	world, start := New(s.Params), time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for i := range s.Pictures {
		if err := ctx.Err(); err != nil {
			return err
		}
		img, truth := world.Picture(View{Volume: 3 * world.FieldVolume() * float64(i), Light: 1, Number: uint64(i)})
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: Quality}); err != nil {
			return err
		}
		data := b.Bytes()
		if i+1 == s.Broken {
			data = data[:len(data)/3]
		}
		name := start.Add(time.Duration(i) * time.Second).Format("2006-01-02_15-04-05-000000")
		if _, err := w.Add(name+".jpg", data); err != nil {
			return err
		}
		if err := WriteTruth(dir, name+".jpg", truth); err != nil {
			return err
		}
	}
	return nil
}

// WriteTruth writes the ground truth of a picture, given by its file name, of the data set in dir. It replaces an
// earlier one, and does not sync the file to the disk.
func WriteTruth(dir, picture string, t Truth) error {
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, TruthDir), 0o755); err != nil {
		return err
	}
	return os.WriteFile(truthFile(dir, picture), data, 0o644)
}

// ReadTruth reads the ground truth of a picture, given by its file name, of the data set in dir. It fails with
// fs.ErrNotExist if the picture has none.
func ReadTruth(dir, picture string) (Truth, error) {
	var t Truth
	data, err := os.ReadFile(truthFile(dir, picture))
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(data, &t); err != nil {
		return t, fmt.Errorf("read %s: %w", truthFile(dir, picture), err)
	}
	return t, nil
}

// truthFile returns the name of the file with the ground truth of a picture.
func truthFile(dir, picture string) string {
	return filepath.Join(dir, TruthDir, picture[:len(picture)-len(filepath.Ext(picture))]+".json")
}

// Full returns the sample with pictures of the camera's full size, and the same number of organisms per area.
func (s Sample) Full() Sample {
	d := Default()
	scale := float64(d.Width*d.Height) / float64(s.Params.Width*s.Params.Height)
	s.Params.Width, s.Params.Height = d.Width, d.Height
	s.Params.Objects *= scale
	s.Params.Dirt = int(float64(s.Params.Dirt) * scale)
	return s
}
