// Package segmenter finds objects in the pictures of a data set, cuts them out, measures them, and writes the table and
// archive that EcoTaxa imports. Its standard method is that of the PlanktoScope's segmenter of 2024, so that results stay
// comparable. The package does not know MQTT.
package segmenter

import (
	"fmt"
	"math"
	"runtime"

	"github.com/PlanktoScope/pkbuild/services/dataset"
)

// Method is the algorithm that separates objects from the background.
type Method string

// The methods.
const (
	Standard Method = "standard" // of the PlanktoScope's segmenter: comparable with earlier results
	Adaptive Method = "adaptive" // for dense samples, moving light and dirt
)

// DefaultMemory is the limit of memory in bytes, enough for pictures of 4056×3040 pixels.
const DefaultMemory = 400 << 20

// Settings are the method, limits and number of workers of a segmentation. Zero fields mean defaults.
type Settings struct {
	Method        Method  // default Standard
	MinESD        float64 // smallest equivalent diameter of an object in µm; 0: acq_minimum_mesh of the metadata, or 20
	SubtractMasks bool    // leave out what is dark in the previous picture, too
	Keep          bool    // keep the pictures of the steps in the directory clean
	EcoTaxa       bool    // write the EcoTaxa archive
	ProcessID     string  // default: process_id of the metadata

	Workers int   // pictures segmented at once; 0: all cores that the memory suffices for
	Memory  int64 // limit in bytes; 0: DefaultMemory
}

// Check returns an error if the method is unknown, the smallest diameter is negative or not finite, or the number of
// workers is negative.
func (s Settings) Check() error {
	_, err := s.normalize()
	return err
}

// normalize fills in the defaults, and fails for values that make no sense.
func (s Settings) normalize() (Settings, error) {
	if s.Method == "" {
		s.Method = Standard
	}
	if s.Memory == 0 {
		s.Memory = DefaultMemory
	}
	switch {
	case s.Method != Standard && s.Method != Adaptive:
		return s, fmt.Errorf("method is %q, want %s or %s", s.Method, Standard, Adaptive)
	case s.MinESD < 0 || math.IsNaN(s.MinESD) || math.IsInf(s.MinESD, 0):
		return s, fmt.Errorf("smallest diameter is %g µm, want a positive number", s.MinESD)
	case s.Workers < 0:
		return s, fmt.Errorf("number of workers is %d, want at least 1", s.Workers)
	}
	return s, nil
}

// scale is the size of pixels and of the smallest object.
type scale struct {
	pixel  float64 // µm
	minESD float64 // µm
}

// minArea returns the area of the smallest object in pixels.
func (s scale) minArea() float64 { return math.Pi * math.Pow(s.minESD/2/s.pixel, 2) }

// newScale reads the scale from the metadata.
func newScale(m *dataset.Metadata, s Settings) (scale, error) {
	pixel, err := m.Float("process_pixel")
	if err != nil {
		return scale{}, fmt.Errorf("metadata: %w: it is the size of a pixel in µm", err)
	}
	if !(pixel > 0) || math.IsInf(pixel, 0) {
		return scale{}, fmt.Errorf("metadata: process_pixel is %g, want the size of a pixel in µm", pixel)
	}
	minESD := s.MinESD
	if minESD == 0 && m.Has("acq_minimum_mesh") {
		if minESD, err = m.Float("acq_minimum_mesh"); err != nil {
			return scale{}, fmt.Errorf("metadata: %w", err)
		}
	}
	if minESD == 0 {
		minESD = 20
	}
	if !(minESD > 0) || math.IsInf(minESD, 0) {
		return scale{}, fmt.Errorf("metadata: acq_minimum_mesh is %g, want the size of the smallest object in µm", minESD)
	}
	return scale{pixel, minESD}, nil
}

// Memory of the parts of a segmentation, in bytes per pixel.
const (
	decodedMemory = 1.5 // a picture with colour planes of a quarter of the pixels
	flatMemory    = 3
	pictureMemory = decodedMemory + 4 + 0.7 // with the cleaned picture and five masks
	depthMemory   = 2.0                     // more for the adaptive method
	programMemory = 64 << 20                // of the program without pictures, and garbage
)

// pictureMemory returns the bytes per pixel that a worker needs.
func (s Settings) pictureMemory() float64 {
	if s.Method == Adaptive {
		return pictureMemory + depthMemory
	}
	return pictureMemory
}

// workers returns how many pictures can be segmented at once. It fails if the memory does not suffice for one.
func (s Settings) workers(width, height int) (int, error) {
	pixels, picture := float64(width)*float64(height), s.pictureMemory()
	need := programMemory + pixels*max(2*flatMemory+picture, 2*flatMemory+flatPictures*decodedMemory)
	if float64(s.Memory) < need {
		return 0, fmt.Errorf("memory limit is %d MB: pictures of %d×%d pixels need %.0f MB", s.Memory>>20, width, height, math.Ceil(need/(1<<20)))
	}
	fit := int((float64(s.Memory) - programMemory - pixels*2*flatMemory) / (pixels * picture))
	n := s.Workers
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	return max(1, min(n, fit)), nil
}

// spare returns how many decoded pictures the memory suffices for beside the workers.
func (s Settings) spare(width, height, workers int) int {
	pixels := float64(width) * float64(height)
	left := float64(s.Memory) - programMemory - pixels*(2*flatMemory+float64(workers)*s.pictureMemory())
	return max(0, int(left/(pixels*decodedMemory)))
}
