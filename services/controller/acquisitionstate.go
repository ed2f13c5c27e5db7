package controller

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/services/camera"
	"github.com/PlanktoScope/pkbuild/services/dataset"
)

// stateFile says in a data set how far its acquisition came.
const stateFile = "acquisition.json"

// acquisitionState is the content of the state file.
type acquisitionState struct {
	State  string `json:"state"`
	Frames int    `json:"nb_frame"` // pictures that were asked for
	Saved  int    `json:"saved"`    // at the time of writing; integrity.check has the pictures
}

// States of an acquisition. One that is running while no controller runs was interrupted by a power cut.
const (
	running     = "running"
	interrupted = "interrupted"
	done        = "done"
)

func setState(dir string, s acquisitionState) error {
	data, err := json.MarshalIndent(s, "", "    ")
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, stateFile), append(data, '\n'), 0o644)
}

func readState(dir string) (acquisitionState, error) {
	var s acquisitionState
	name := filepath.Join(dir, stateFile)
	data, err := os.ReadFile(name)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("read %s: %w", name, err)
	}
	return s, nil
}

// isInterrupted reports whether a data set can be continued. A power cut may have come before the state file was written.
func isInterrupted(dir string) bool {
	s, err := readState(dir)
	if errors.Is(err, os.ErrNotExist) {
		_, err := os.Stat(filepath.Join(dir, dataset.MetadataFile))
		return err == nil
	}
	return err == nil && s.State != done
}

// markInterrupted finds the acquisitions that a power cut ended, writes so in their data sets, and returns all interrupted ones.
func markInterrupted(img string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(img, "*", "*", "*", stateFile))
	if err != nil {
		return nil, err
	}
	var found []string
	var errs []error
	for _, name := range files {
		dir := filepath.Dir(name)
		s, err := readState(dir)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if s.State == running {
			s.State = interrupted
			errs = append(errs, setState(dir, s))
		}
		if s.State == interrupted {
			found = append(found, dir)
		}
	}
	slices.Sort(found)
	return found, errors.Join(errs...)
}

// pictures returns the number of pictures in a data set.
func pictures(w *dataset.Writer) int {
	n := 0
	for _, e := range w.Entries() {
		if strings.HasSuffix(e.Name, ".jpg") {
			n++
		}
	}
	return n
}

// complete returns the metadata of a data set: what a client sent, and what the controller knows.
func (i *imager) complete(m *dataset.Metadata, frames int) *dataset.Metadata {
	cam, name := i.c.instrument.Camera, i.c.options.MachineName
	size := cam.Resolution()
	m.Set("acq_local_datetime", time.Now().Format("2006-01-02T15:04:05"))
	m.Set("acq_camera_resolution", fmt.Sprintf("%dx%d", size.X, size.Y))
	m.Set("acq_camera_iso", int(i.settings.Gain*camera.ISO(cam.Name())+0.5))
	m.Set("acq_camera_shutter_speed", i.settings.Exposure)
	m.Set("acq_uuid", uuid.NewString())
	m.Set("sample_uuid", sampleUUID(name, m.Text("sample_project"), m.Text("sample_id")))
	if !m.Has("acq_nb_frame") {
		m.Set("acq_nb_frame", frames)
	}
	if !m.Has("process_pixel") {
		m.Set("process_pixel", i.c.hardware().PixelSize)
	}
	if !m.Has("acq_instrument_id") && name != "" {
		m.Set("acq_instrument_id", name)
	}
	if hat := i.c.instrument.HAT; hat != nil {
		m.Set("acq_instrument_hat", hat.Product)
		if hat.UUID != uuid.Nil {
			m.Set("acq_instrument_serial_number", hat.UUID.String())
		}
	}
	if i.c.instrument.Simulated {
		m.Set("hardware", "simulated")
		m.Set("acq_hardware", "simulated")
	}
	return m
}

// sampleUUID returns the same UUID for all acquisitions of a sample on a machine.
func sampleUUID(machine, project, sample string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(strings.Join([]string{"planktoscope", machine, project, sample}, "\x00"))).String()
}

// reserve is the space that an acquisition leaves free, for the segmenter and the system.
const reserve = 200 << 20

// checkSpace reports whether a disk is too full for an acquisition, and the status that says so.
func (i *imager) checkSpace(frames int) (Status, bool) {
	dir := i.c.options.DataDir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return diskStatus(err), true
	}
	free, err := i.c.options.FreeSpace(dir)
	if err != nil {
		return diskStatus(fmt.Errorf("free space of %s: %w", dir, err)), true
	}
	size := i.c.instrument.Camera.Resolution()
	// A JPEG of the highest quality that the camera is set to has half a byte per pixel at most.
	need := uint64(frames)*uint64(size.X*size.Y)/2 + reserve
	if need <= free {
		return Status{}, false
	}
	problem := fmt.Sprintf("%d pictures need up to %d MB, %d MB are free", frames, need>>20, free>>20)
	return Status{Status: "Error, disk is full: " + problem, Field: "nb_frame", Error: problem}, true
}

// freeSpace asks the file system.
func freeSpace(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}
