// Package camera takes pictures: with a V4L2 device, with the command-line programs of libcamera, or of simulated plankton. It
// gets JPEG files and does not decode them.
package camera

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
)

// ErrMissing says that no camera was found.
var ErrMissing = errors.New("missing camera")

// Camera is a camera that takes stills, and frames of a preview in between. Its methods may be called at the same time.
type Camera interface {
	Name() string            // such as IMX477
	Resolution() image.Point // of stills, in pixels

	// Apply uses settings from the next picture on.
	Apply(s Settings) error

	// Capture takes a still. It returns an error if that takes longer than a few seconds more than the exposure.
	Capture(ctx context.Context) (Still, error)

	// Frame returns the next JPEG frame of the preview. While stills are taken, it waits.
	Frame(ctx context.Context) ([]byte, error)

	Close() error
}

// Still is one picture in full resolution, as JPEG. A still of a simulated camera can also write its ground truth.
type Still struct {
	JPEG []byte

	// Annotate writes what is known about a simulated picture beside it. It is nil for pictures of a camera.
	Annotate func(dir, name string) error
}

// Settings are the exposure, gain, white balance and JPEG quality of a camera.
type Settings struct {
	Exposure         int // µs
	Gain             float64
	AutoWhiteBalance bool
	RedGain          float64 // white balance, while it is not automatic
	BlueGain         float64
	Quality          int // of JPEG, 1 to 100
}

// DefaultSettings returns the settings with which a PlanktoScope starts. The gain depends on the named sensor, and is 1.5
// for an unknown one.
func DefaultSettings(name string) Settings {
	return Settings{Exposure: 125, Gain: 150 / ISO(name), RedGain: 2.4, BlueGain: 1.35, Quality: 95}
}

// ISO returns the ISO speed that corresponds to a gain of 1 on the named sensor, such as IMX477; 100 for an unknown one.
func ISO(name string) float64 {
	switch name {
	case "IMX477":
		return 100 / 2.3125
	case "IMX219":
		return 100 / 1.84
	}
	return 100
}

// Limits of settings.
const (
	MaxGain             = 16
	MaxWhiteBalanceGain = 32
)

// Validate returns an error that names the first setting outside its limits, or nil.
func (s Settings) Validate() error {
	for _, v := range []struct {
		name     string
		value    float64
		min, max float64
	}{
		{"exposure", float64(s.Exposure), 0, math.MaxInt32},
		{"gain", s.Gain, 0, MaxGain},
		{"red gain", s.RedGain, 0, MaxWhiteBalanceGain},
		{"blue gain", s.BlueGain, 0, MaxWhiteBalanceGain},
		{"JPEG quality", float64(s.Quality), 1, 100},
	} {
		if !(v.value >= v.min && v.value <= v.max) {
			return fmt.Errorf("camera setting %s is %v, want %v to %v", v.name, v.value, v.min, v.max)
		}
	}
	return nil
}
