package controller

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/services/camera"
	"github.com/PlanktoScope/pkbuild/services/dataset"
)

// imager takes pictures. One acquisition or capture runs at a time.
type imager struct {
	c        *Controller
	settings camera.Settings
	jobs     chan func(context.Context)

	mu       sync.Mutex
	metadata *dataset.Metadata       // of the last update_config; nil before
	stopRun  context.CancelCauseFunc // ends the acquisition; nil if none runs
	stopped  bool                    // by a message, and the acquisition has not ended yet
}

func newImager(c *Controller) *imager {
	i := &imager{c: c, jobs: make(chan func(context.Context), queueLimit)}
	if cam := c.instrument.Camera; cam != nil {
		i.settings = camera.DefaultSettings(cam.Name())
		i.settings.RedGain, i.settings.BlueGain = c.hw.RedGain, c.hw.BlueGain
	}
	return i
}

// run starts the camera, and takes pictures until ctx ends.
func (i *imager) run(ctx context.Context) {
	b, cam := i.c.board, i.c.instrument.Camera
	b.event("imager", Status{Status: "Starting up"})
	if cam != nil {
		if err := cam.Apply(i.settings); err != nil {
			i.c.options.Log.Error("camera", "error", err)
			cam = nil
		}
	}
	interrupted, err := markInterrupted(filepath.Join(i.c.options.DataDir, "img"))
	if err != nil {
		i.c.options.Log.Error("look for interrupted acquisitions", "error", err)
	}
	if cam == nil {
		b.state("imager", Status{Status: missingCamera})
	} else {
		b.event("imager", map[string]string{"camera_name": cam.Name()})
		b.state("imager", Status{Status: "Ready", Interrupted: interrupted})
	}
	for {
		select {
		case job := <-i.jobs:
			job(ctx)
		case <-ctx.Done():
			return
		}
	}
}

const missingCamera = "Error: missing camera"

// handle answers a message on imager/#.
func (i *imager) handle(r *request) {
	b := i.c.board
	if i.c.instrument.Camera == nil && r.action != "stop" && r.action != "update_config" {
		b.refuse("imager", r.message, Status{Status: missingCamera, Error: camera.ErrMissing.Error()})
		return
	}
	switch r.action {
	case "update_config":
		i.updateConfig(r)
	case "image":
		i.image(r)
	case "stop":
		i.stop(r)
	case "settings":
		i.changeSettings(r)
	case "capture":
		i.enqueue(r, func(ctx context.Context) { i.capture(ctx, r) })
	default:
		i.c.unknownAction("imager", r, "update_config, image, stop, settings or capture")
	}
}

// enqueue has a job done after those that wait.
func (i *imager) enqueue(r *request, job func(context.Context)) {
	select {
	case i.jobs <- job:
	default:
		i.c.board.refuse("imager", r.message, Status{Status: "Error, too many requests are waiting", Error: "too many requests are waiting"})
	}
}

// acknowledge publishes an answer that changes no state.
func (i *imager) acknowledge(r *request, text string) {
	i.c.board.event("imager", Status{Status: text})
	i.c.board.respond(r.message, Status{Status: text})
}

// updateConfig keeps the metadata of the next acquisition.
func (i *imager) updateConfig(r *request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.stopRun != nil {
		i.c.board.refuse("imager", r.message, Status{Status: "Busy", Error: "an acquisition is running"})
		return
	}
	m, err := &dataset.Metadata{}, error(nil)
	if isNull(r.fields["config"]) {
		err = errors.New("is missing")
	} else {
		err = m.UnmarshalJSON(r.fields["config"])
	}
	if err != nil {
		i.c.board.refuse("imager", r.message, mistake("Configuration message error", &FieldError{Field: "config", Problem: err.Error()}))
		return
	}
	i.metadata = m
	i.acknowledge(r, "Config updated")
}

// stop ends the acquisition and its move of the pump.
func (i *imager) stop(r *request) {
	i.mu.Lock()
	running := i.stopRun != nil
	if running {
		i.stopped = true
		i.stopRun(errInterrupted)
	}
	i.mu.Unlock()
	if running {
		i.c.pumpAxis.stop() // publishes that the pump was interrupted
	}
	i.c.board.state("imager", Status{Status: "Interrupted"})
	i.c.board.respond(r.message, Status{Status: "Interrupted"})
}

// changeSettings changes the settings of the camera.
func (i *imager) changeSettings(r *request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s, text, bad := cameraSettings(r, i.settings, i.c.instrument.Camera.Name())
	if bad != nil {
		i.c.board.refuse("imager", r.message, mistake(text, bad))
		return
	}
	if err := i.c.instrument.Camera.Apply(s); err != nil {
		i.c.board.refuse("imager", r.message, Status{Status: "Error: " + err.Error(), Error: err.Error()})
		return
	}
	i.settings = s
	i.acknowledge(r, "Camera settings updated")
}

// captured is the answer to a capture, as clients of 2026 expect it.
type captured struct {
	Action   string  `json:"action"`
	JPEG     *string `json:"jpeg"`
	DNG      *string `json:"dng"`
	Error    string  `json:"error,omitempty"`
	Hardware string  `json:"hardware,omitempty"`
}

// capture takes one picture into the directory of captures.
func (i *imager) capture(ctx context.Context, r *request) {
	answer := captured{Action: "capture"}
	if i.c.instrument.Simulated {
		answer.Hardware = "simulated"
	}
	if string(r.fields["dng"]) == "true" {
		answer.Error = "dng is true, but only JPEG is supported"
	}
	if string(r.fields["jpeg"]) != "false" {
		name, err := i.captureTo(ctx, filepath.Join(i.c.options.DataDir, "captures"))
		if err != nil {
			i.c.board.metrics.count("pkcontroller_hardware_errors_total", "imager")
			i.c.board.refuse("imager", r.message, Status{Status: "Error: " + err.Error(), Error: err.Error()})
			return
		}
		answer.JPEG = &name
	}
	i.c.board.event("imager", answer)
	i.c.board.respond(r.message, answer)
}

func (i *imager) captureTo(ctx context.Context, dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("capture: %w", err)
	}
	still, err := i.c.instrument.Camera.Capture(ctx)
	if err != nil {
		return "", fmt.Errorf("capture: %w", err)
	}
	name := filepath.Join(dir, pictureName(time.Now()))
	if err := atomicfile.Write(name, still.JPEG, 0o644); err != nil {
		return "", fmt.Errorf("capture: %w", err)
	}
	return name, nil
}

// pictureName returns the file name of a picture that was taken at a time: UTC with microseconds.
func pictureName(at time.Time) string {
	at = at.UTC()
	return fmt.Sprintf("%s-%06d.jpg", at.Format("2006-01-02_15-04-05"), at.Nanosecond()/1000)
}
