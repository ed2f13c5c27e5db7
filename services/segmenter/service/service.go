// Package service is the segmenter as the PlanktoScope's dashboards know it: it takes messages on MQTT, segments data sets
// one after the other, and publishes its status. It pauses while the imager acquires pictures.
package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/PlanktoScope/pkbuild/services/dataset"
	"github.com/PlanktoScope/pkbuild/services/mqtt"
	"github.com/PlanktoScope/pkbuild/services/segmenter"
)

// The topics. None of the messages is retained, as clients expect.
const (
	CommandTopic  = "segmenter/#"
	StatusTopic   = "status/segmenter"
	ObjectTopic   = "status/segmenter/object_id"
	MetricTopic   = "status/segmenter/metric"
	ProgressTopic = "status/segmenter/progress"
	ImagerTopic   = "status/imager"
)

// queueLimit is the number of requests that wait for their turn.
const queueLimit = 100

// errStopped is the cause of a segmentation's end by a message.
var errStopped = errors.New("stopped")

// Config holds the settings of a Service: the directory of the data, the settings of segmentations, and callbacks that
// publish messages and pictures.
type Config struct {
	Data     string             // directory with img, and for objects, clean and export
	Settings segmenter.Settings // Workers and Memory count
	Version  string
	Stall    time.Duration // an acquisition without a status for this long is over
	Log      *slog.Logger
	Now      func() time.Time // nil: time.Now

	Publish func(mqtt.Message)
	Respond func(request mqtt.Message, payload []byte)
	Show    func(cutout []byte) // nil: none
}

// Service segments data sets of pictures on request of MQTT messages.
type Service struct {
	config Config
	gate   *gate

	mu      sync.Mutex
	queue   []request
	stop    context.CancelCauseFunc // ends the current request; nil while there is none
	arrived chan struct{}           // has a token when the queue may have changed
}

// New returns a segmentation service, which handles requests while Run runs.
func New(c Config) *Service {
	return &Service{config: c, gate: newGate(c.Stall), arrived: make(chan struct{}, 1)}
}

// Will returns the MQTT message that the broker publishes if the segmenter loses its connection: the status "Dead".
func Will() mqtt.Message {
	return mqtt.Message{Topic: StatusTopic, Payload: []byte(`{"status":"Dead"}`)}
}

// Receive handles an MQTT message without blocking: a request to segment waits for Run, a request to stop ends the
// running segmentation, and messages of the imager say whether pictures are being acquired. It answers an invalid
// request with an error.
func (s *Service) Receive(m mqtt.Message) {
	if m.Topic == ImagerTopic {
		s.gate.imager(m.Payload)
		return
	}
	r, err := parse(m.Payload)
	if err != nil {
		s.answer(m, "Error: "+err.Error())
		return
	}
	switch r.Action {
	case "stop":
		if s.cancel() { // the end of the run is announced when it has ended
			s.respond(m, "Interrupted")
		} else {
			s.answer(m, "Interrupted")
		}
	case "update_config":
		s.answer(m, "Busy")
	default:
		s.enqueue(m, r)
	}
}

// enqueue adds a request to the queue.
func (s *Service) enqueue(m mqtt.Message, r request) {
	s.mu.Lock()
	full := len(s.queue) == queueLimit
	if !full {
		s.queue = append(s.queue, r)
	}
	s.mu.Unlock()
	if full {
		s.answer(m, fmt.Sprintf("Error: %d requests are waiting, want fewer", queueLimit))
		return
	}
	s.respond(m, "Started")
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// cancel ends the current request and empties the queue. It reports whether there was a current request.
func (s *Service) cancel() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = nil
	if s.stop == nil {
		return false
	}
	s.stop(errStopped)
	return true
}

// Reconnected publishes again that the segmenter is ready, after the connection to the broker was lost and restored. A
// running segmentation publishes its own state.
func (s *Service) Reconnected() {
	s.mu.Lock()
	idle := s.stop == nil
	s.mu.Unlock()
	if idle {
		s.status("Ready")
	}
}

// Run handles requests until ctx ends. It publishes at the beginning that the segmenter is ready, and at the end that
// it has stopped.
func (s *Service) Run(ctx context.Context) {
	s.status("Ready")
	for {
		r, cancelled, done, ok := s.next(ctx)
		if !ok {
			select {
			case <-s.arrived:
				continue
			case <-ctx.Done():
				s.status("Dead")
				return
			}
		}
		s.segment(cancelled, r)
		done()
	}
}

// next takes the first request off the queue. Its context ends when a message stops it.
func (s *Service) next(ctx context.Context) (r request, cancelled context.Context, done func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 || ctx.Err() != nil {
		return r, nil, nil, false
	}
	r, s.queue = s.queue[0], s.queue[1:]
	cancelled, stop := context.WithCancelCause(ctx)
	s.stop = stop
	return r, cancelled, func() {
		s.mu.Lock()
		s.stop = nil
		s.mu.Unlock()
		stop(nil)
	}, true
}

// segment works on a request and publishes how it ended. A data set that fails does not keep the others from being
// segmented.
func (s *Service) segment(ctx context.Context, r request) {
	s.status("Started")
	dirs, err := s.dataSets(r)
	errs := []error{err}
	for _, dir := range dirs {
		if ctx.Err() == nil {
			errs = append(errs, s.segmentDataSet(ctx, dir, r.Settings.Settings))
		}
	}
	err = errors.Join(errs...)
	switch {
	case errors.Is(context.Cause(ctx), errStopped):
		s.status("Interrupted")
	case ctx.Err() != nil: // the program ends; the segmentation is continued by the next request
	case err != nil:
		s.config.Log.Error("segmentation", "error", err)
		s.status("An exception was raised during the segmentation: " + strings.ReplaceAll(err.Error(), "\n", "; ") + ".")
	default:
		s.status("Done")
	}
}

// dataSets returns the directories, relative to that of the pictures, that a request is about and that are not done.
func (s *Service) dataSets(r request) ([]string, error) {
	root := filepath.Join(s.config.Data, "img")
	var dirs []string
	var errs []error
	seen := map[string]bool{}
	for _, path := range r.Paths {
		rel, err := resolve(root, path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		found, err := dataset.Find(filepath.Join(root, rel), r.Settings.Recursive)
		errs = append(errs, err)
		for _, dir := range found {
			done, err := dataset.IsDone(dir)
			errs = append(errs, err)
			name, err := filepath.Rel(root, dir)
			errs = append(errs, err)
			if !seen[name] && (r.Settings.Force || !done) {
				dirs = append(dirs, name)
			}
			seen[name] = true
		}
	}
	return dirs, errors.Join(errs...)
}

// segmentDataSet segments one data set.
func (s *Service) segmentDataSet(ctx context.Context, path string, settings segmenter.Settings) error {
	settings.Workers, settings.Memory = s.config.Settings.Workers, s.config.Settings.Memory
	wait := func(ctx context.Context) error {
		return s.gate.wait(ctx, func() { s.publish(ProgressTopic, map[string]any{"path": path, "paused": true}) })
	}
	if err := wait(ctx); err != nil { // for the last picture of the data set that is being written
		return err
	}
	result, err := segmenter.Segment(ctx, filepath.Join(s.config.Data, "img", path), settings, segmenter.Options{
		Output: s.config.Data, Path: path, Done: true, Version: s.config.Version, Now: s.config.Now, Events: s.event, Wait: wait,
	})
	if err != nil {
		return err
	}
	s.config.Log.Info("segmented", "path", path, "pictures", result.Pictures, "objects", len(result.Objects), "skipped", len(result.Skipped))
	return nil
}

// event publishes an event of a segmentation.
func (s *Service) event(e segmenter.Event) {
	switch e.Kind {
	case segmenter.CalculatingFlat:
		s.status("Calculating flat")
	case segmenter.PictureStarted:
		s.status(fmt.Sprintf("Segmenting image %s, image %d/%d", e.Picture, e.Number, e.Total))
	case segmenter.ObjectFound:
		s.publish(ObjectTopic, map[string]any{"object_id": fmt.Sprint(e.Number)})
		s.publish(MetricTopic, map[string]any{"name": e.Object.Name, "metadata": e.Object.Features.Map()})
		if s.config.Show != nil {
			s.config.Show(e.Cutout)
		}
	case segmenter.PictureDone, segmenter.PictureSkipped:
		s.progress(e)
	}
}

// progress publishes how far a segmentation is.
func (s *Service) progress(e segmenter.Event) {
	path, err := filepath.Rel(filepath.Join(s.config.Data, "img"), e.DataSet)
	if err != nil {
		path = e.DataSet
	}
	p := map[string]any{
		"path": path, "picture": e.Picture, "number": e.Number, "total": e.Total, "paused": false,
		"rate": e.Rate, "remaining": e.Remaining.Seconds(), // pictures per second, seconds
	}
	if e.Reason != "" {
		p["skipped"] = e.Reason
	}
	s.publish(ProgressTopic, p)
}

// publish publishes a value as JSON.
func (s *Service) publish(topic string, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		s.config.Log.Error("publish", "topic", topic, "error", err)
		return
	}
	s.config.Publish(mqtt.Message{Topic: topic, Payload: data})
}

// statusOf returns the payload of a status.
func statusOf(text string) map[string]string { return map[string]string{"status": text} }

func (s *Service) status(text string) { s.publish(StatusTopic, statusOf(text)) }

// respond answers a request that has a response topic.
func (s *Service) respond(m mqtt.Message, text string) {
	data, err := json.Marshal(statusOf(text))
	if err == nil && s.config.Respond != nil {
		s.config.Respond(m, data)
	}
}

// answer publishes a status and answers a request with it.
func (s *Service) answer(m mqtt.Message, text string) {
	s.status(text)
	s.respond(m, text)
}
