package controller

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"syscall"
	"time"

	"github.com/PlanktoScope/pkbuild/services/dataset"
)

// plan is what an acquisition will do.
type plan struct {
	frames   int
	settle   time.Duration // between the pump and the picture
	newMove  func() *move
	resume   bool // continues an interrupted data set
	metadata *dataset.Metadata
	dir      string
}

// Limits of an acquisition.
const (
	maxFrames = 1_000_000
	maxSettle = 86400 // s
)

// image checks a message that starts an acquisition, and starts it.
func (i *imager) image(r *request) {
	p, bad := i.plan(r)
	if bad != nil {
		i.c.board.refuse("imager", r.message, mistake("Error", bad))
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.stopRun != nil {
		i.c.board.refuse("imager", r.message, Status{Status: "Busy", Error: "an acquisition is running"})
		return
	}
	w, s := i.open(p)
	if w == nil {
		i.c.board.refuse("imager", r.message, s)
		return
	}
	ctx, stop := context.WithCancelCause(context.Background())
	i.stopRun, i.stopped = stop, false
	select {
	case i.jobs <- func(outer context.Context) {
		context.AfterFunc(outer, func() { stop(context.Cause(outer)) })
		i.acquire(ctx, r, p, w)
	}:
	default:
		i.stopRun = nil
		_ = w.Close()
		i.c.board.refuse("imager", r.message, Status{Status: "Error, too many requests are waiting", Error: "too many requests are waiting"})
	}
}

// plan reads a message that starts an acquisition.
func (i *imager) plan(r *request) (*plan, *FieldError) {
	frames, err := r.number("nb_frame", 1, maxFrames)
	if err == nil && frames != math.Trunc(frames) {
		err = &FieldError{Field: "nb_frame", Problem: fmt.Sprintf("is %v, want a whole number", frames)}
	}
	if err != nil {
		return nil, err
	}
	settle, err := r.number("sleep", 0, maxSettle)
	if err != nil {
		return nil, err
	}
	// The dashboard of 2026 sends flowrate, and its imager reads pump_flowrate.
	flowField := "pump_flowrate"
	if isNull(r.fields[flowField]) {
		flowField = "flowrate"
	}
	if isNull(r.fields[flowField]) {
		r.fields[flowField] = []byte("2")
	}
	if _, err := i.c.pumpMove(r, "volume", flowField, "pump_direction"); err != nil {
		return nil, err
	}
	p := &plan{
		frames: int(frames), settle: time.Duration(settle * float64(time.Second)), resume: string(r.fields["continue"]) == "true",
		newMove: func() *move { m, _ := i.c.pumpMove(r, "volume", flowField, "pump_direction"); return m },
	}
	return p, nil
}

// open makes or opens the data set of an acquisition, or returns why it cannot.
func (i *imager) open(p *plan) (*dataset.Writer, Status) {
	refuse := func(problem, field string) (*dataset.Writer, Status) {
		return nil, Status{Status: "Configuration update error: " + problem, Field: field, Error: problem}
	}
	m := &dataset.Metadata{}
	if i.metadata != nil {
		m = i.metadata.Clone()
	}
	for _, key := range []string{"object_date", "sample_id", "acq_id"} {
		if !m.Has(key) {
			return refuse(key+" is missing!", "config."+key)
		}
		if _, err := dataset.FileName(key, m.Text(key)); err != nil {
			return refuse(err.Error(), "config."+key)
		}
	}
	path, err := dataset.Path(m)
	if err != nil {
		return refuse(err.Error(), "config")
	}
	p.dir = filepath.Join(i.c.options.DataDir, "img", path)
	if s, full := i.checkSpace(p.frames); full {
		return nil, s
	}
	if p.resume {
		return i.reopen(p)
	}
	p.metadata = i.complete(m, p.frames)
	w, err := dataset.Create(context.Background(), p.dir, p.metadata)
	switch {
	case errors.Is(err, dataset.ErrExists):
		s := Status{Status: "Configuration update error: Chosen id are already in use!", Field: "config.acq_id", Error: "data set exists"}
		if isInterrupted(p.dir) {
			s.Interrupted = []string{p.dir}
			s.Error = `data set was interrupted, use "continue": true to continue it`
		}
		return nil, s
	case err != nil:
		return nil, diskStatus(err)
	}
	return w, Status{}
}

// reopen opens an interrupted data set for its remaining pictures.
func (i *imager) reopen(p *plan) (*dataset.Writer, Status) {
	if !isInterrupted(p.dir) {
		problem := "no interrupted acquisition has these ids"
		return nil, Status{Status: "Configuration update error: " + problem, Field: "continue", Error: problem}
	}
	w, err := dataset.Continue(p.dir)
	if err != nil {
		return nil, diskStatus(err)
	}
	return w, Status{}
}

// diskStatus returns the status of an error of the disk.
func diskStatus(err error) Status {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return Status{Status: "Error, disk is full", Error: err.Error()}
	}
	return Status{Status: "Error, " + err.Error(), Error: err.Error()}
}

// acquire takes the pictures of an acquisition.
func (i *imager) acquire(ctx context.Context, r *request, p *plan, w *dataset.Writer) {
	b := i.c.board
	saved := pictures(w)
	i.c.pumpAxis.hold(func() { i.stopAcquisition() })
	b.state("imager", Status{Status: "Started", Path: p.dir})
	err := setState(p.dir, acquisitionState{State: running, Frames: p.frames, Saved: saved})
	for ; err == nil && saved < p.frames; saved++ {
		err = i.frame(ctx, p, w, saved+1)
		if err != nil {
			break
		}
	}
	i.c.pumpAxis.release()
	err = errors.Join(err, w.Close())
	final := Status{Status: "Done", Path: p.dir}
	state := acquisitionState{State: done, Frames: p.frames, Saved: saved}
	if err != nil {
		state.State = interrupted
		final = i.failure(err, saved, p)
	}
	if err := setState(p.dir, state); err != nil {
		b.log.Error("save the state of an acquisition", "error", err)
	}
	i.mu.Lock()
	stopped := i.stopped // its status was published by stop
	i.stopRun(nil)
	i.stopRun, i.stopped = nil, false
	if !stopped {
		b.state("imager", final)
	}
	i.mu.Unlock()
	b.respond(r.message, final)
}

// stopAcquisition ends an acquisition after a stop of the pump.
func (i *imager) stopAcquisition() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.stopRun != nil {
		i.stopRun(errInterrupted)
	}
}

// failure returns the status of an acquisition that ended early.
func (i *imager) failure(err error, saved int, p *plan) Status {
	if errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled) {
		return Status{Status: "Interrupted", Path: p.dir, Interrupted: []string{p.dir}}
	}
	i.c.board.metrics.count("pkcontroller_hardware_errors_total", "imager")
	i.c.board.log.Error("acquisition", "error", err)
	var lost *captureError
	s := diskStatus(err)
	if errors.As(err, &lost) {
		s.Status = fmt.Sprintf("Image %d/%d WAS NOT CAPTURED! STOPPING THE PROCESS!", saved+1, p.frames)
	} else {
		s.Status += fmt.Sprintf(": %d of %d pictures were saved", saved, p.frames)
	}
	s.Path, s.Interrupted = p.dir, []string{p.dir}
	return s
}

// captureError is an error of the camera, not of the pump or the disk.
type captureError struct{ err error }

func (e *captureError) Error() string { return e.err.Error() }
func (e *captureError) Unwrap() error { return e.err }

// frame pumps, waits, takes picture n, and publishes it when it is safe on the disk.
func (i *imager) frame(ctx context.Context, p *plan, w *dataset.Writer, n int) error {
	if err := i.advance(ctx, p); err != nil {
		return err
	}
	select {
	case <-time.After(p.settle):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	name := pictureName(time.Now())
	still, err := i.c.instrument.Camera.Capture(ctx)
	if err != nil {
		return &captureError{err}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if still.Annotate != nil {
		if err := still.Annotate(p.dir, name); err != nil {
			return err
		}
	}
	entry, err := w.Add(name, still.JPEG)
	if err != nil {
		return err
	}
	i.c.board.metrics.count("pkcontroller_pictures_total", "")
	i.c.board.metrics.add("pkcontroller_picture_bytes_total", "", float64(entry.Size))
	i.c.board.event("imager", Status{Status: fmt.Sprintf("Image %d/%d saved to %s", n, p.frames, name)})
	i.c.board.event("imager", Status{Type: "progress", Path: filepath.Join(p.dir, name), Current: n, Total: p.frames})
	return nil
}

// advance pumps the volume of one picture.
func (i *imager) advance(ctx context.Context, p *plan) error {
	ended := make(chan error, 1)
	m := p.newMove()
	m.ended = func(err error) { ended <- err }
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := i.c.pumpAxis.add(m, true); err != nil {
		return err
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done(): // who ends an acquisition also stops the pump
		return context.Cause(ctx)
	}
}
