package controller

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/PlanktoScope/pkbuild/services/camera"
	"github.com/PlanktoScope/pkbuild/services/mjpeg"
)

// Preview serves the camera's preview as Motion JPEG. Frames are taken only while there are clients, and once for all of them. A
// client that is slower than the camera misses frames.
type Preview struct {
	camera  camera.Camera
	log     *slog.Logger
	metrics *Metrics

	mu      sync.Mutex
	clients map[chan []byte]bool
	stop    context.CancelFunc // ends the taking of frames; nil without clients
}

// MaxPreviewClients is the number of clients at once. Further ones get the HTTP status 503.
const MaxPreviewClients = 100

// NewPreview returns the preview of the camera c. If c is nil, clients get the HTTP status 503.
func NewPreview(c camera.Camera, log *slog.Logger, m *Metrics) *Preview {
	return &Preview{camera: c, log: log, metrics: m, clients: map[chan []byte]bool{}}
}

// ServeHTTP serves the preview as Motion JPEG at /stream.mjpg until the client leaves, and redirects / to it. Without a
// camera, or with MaxPreviewClients clients, the status is 503.
func (p *Preview) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		http.Redirect(w, r, "/stream.mjpg", http.StatusMovedPermanently)
	case "/stream.mjpg":
		p.stream(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (p *Preview) stream(w http.ResponseWriter, r *http.Request) {
	if p.camera == nil {
		http.Error(w, "no camera", http.StatusServiceUnavailable)
		return
	}
	frames, ok := p.add()
	if !ok {
		http.Error(w, fmt.Sprintf("more than %d clients", MaxPreviewClients), http.StatusServiceUnavailable)
		return
	}
	defer p.remove(frames)
	mjpeg.Begin(w)
	for {
		select {
		case frame := <-frames:
			if mjpeg.Write(w, frame) != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

func (p *Preview) add() (chan []byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.clients) == MaxPreviewClients {
		return nil, false
	}
	frames := make(chan []byte, 1)
	p.clients[frames] = true
	p.metrics.set("pkcontroller_preview_clients", "", float64(len(p.clients)))
	if p.stop == nil {
		ctx, stop := context.WithCancel(context.Background())
		p.stop = stop
		go p.run(ctx)
	}
	return frames, true
}

func (p *Preview) remove(frames chan []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.clients, frames)
	p.metrics.set("pkcontroller_preview_clients", "", float64(len(p.clients)))
	if len(p.clients) == 0 {
		p.stop()
		p.stop = nil
	}
}

// run takes frames until ctx ends.
func (p *Preview) run(ctx context.Context) {
	failing := false
	for ctx.Err() == nil {
		frame, err := p.camera.Frame(ctx)
		if err != nil {
			if !failing && ctx.Err() == nil {
				p.log.Warn("preview", "error", err)
			}
			failing = true
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			continue
		}
		failing = false
		p.mu.Lock()
		for frames := range p.clients {
			select {
			case frames <- frame:
			default:
			}
		}
		p.mu.Unlock()
	}
}
