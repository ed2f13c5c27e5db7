package camera

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"sync"
	"time"

	"github.com/PlanktoScope/pkbuild/services/plankton"
)

// FrameInterval is the shortest time between two frames of a preview.
const FrameInterval = time.Second / 25

// previewWidth is the width of a frame in pixels.
const previewWidth = 800

// Conditions are what determines a simulated camera's picture at a moment: the pumped volume, the defocus and the
// light.
type Conditions struct {
	Volume  float64 // mL that the pump moved since the start
	Defocus float64 // µm from the plane of focus
	Light   float64 // brightness of the lamp, 1 at its default
}

// Simulated is a camera that draws pictures of plankton instead of taking them. It implements Camera.
type Simulated struct {
	world      *plankton.World
	preview    *plankton.World
	conditions func() Conditions

	mu       sync.Mutex
	settings Settings
	number   uint64 // of the picture
	next     time.Time
	failure  error
}

// NewSimulated returns a simulated camera. Each picture shows the world w under the conditions that the function returns at
// that moment.
func NewSimulated(w *plankton.World, conditions func() Conditions) *Simulated {
	s := &Simulated{world: w, preview: w, conditions: conditions}
	if size := s.Resolution(); size.X > previewWidth {
		s.preview = w.Resized(previewWidth, previewWidth*size.Y/size.X)
	}
	s.settings = DefaultSettings(s.Name())
	return s
}

// Name returns "simulated".
func (s *Simulated) Name() string { return "simulated" }

// Resolution returns the width and height of the pictures in pixels.
func (s *Simulated) Resolution() image.Point {
	p := s.world.Params()
	return image.Pt(p.Width, p.Height)
}

// Apply changes the brightness of pictures by exposure and gain, and the JPEG quality of stills. White balance has no
// effect. It fails if a setting is outside its limits.
func (s *Simulated) Apply(settings Settings) error {
	if err := settings.Validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings = settings
	return nil
}

// SetFailure makes Capture and Frame return an error from now on; nil makes them work again.
func (s *Simulated) SetFailure(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = err
}

// Capture draws a still. Its Annotate writes the ground truth: the objects in the picture.
func (s *Simulated) Capture(ctx context.Context) (Still, error) {
	view, settings, err := s.view()
	if err != nil {
		return Still{}, fmt.Errorf("take picture: %w", err)
	}
	picture, truth := s.world.Picture(view)
	data, err := encode(picture, settings.Quality)
	if err != nil {
		return Still{}, err
	}
	return Still{data, func(dir, name string) error { return plankton.WriteTruth(dir, name, truth) }}, ctx.Err()
}

// Frame draws a picture 800 pixels wide at most. It waits so that there is at most one frame per FrameInterval.
func (s *Simulated) Frame(ctx context.Context) ([]byte, error) {
	s.mu.Lock()
	wait := time.Until(s.next)
	s.next = time.Now().Add(max(wait, 0) + FrameInterval)
	s.mu.Unlock()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	view, _, err := s.view()
	if err = errors.Join(ctx.Err(), err); err != nil {
		return nil, err
	}
	picture, _ := s.preview.Picture(view)
	return encode(picture, 80)
}

func (s *Simulated) view() (plankton.View, Settings, error) {
	c := s.conditions()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	d := DefaultSettings(s.Name())
	exposure := float64(s.settings.Exposure) / float64(d.Exposure) * s.settings.Gain / d.Gain
	return plankton.View{Volume: c.Volume, Defocus: c.Defocus, Light: c.Light * exposure, Number: s.number}, s.settings, s.failure
}

// Close does nothing.
func (s *Simulated) Close() error { return nil }

func encode(m image.Image, quality int) ([]byte, error) {
	var b bytes.Buffer
	err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality})
	return b.Bytes(), err
}
