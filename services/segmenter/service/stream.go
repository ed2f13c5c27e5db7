package service

import (
	"net/http"
	"sync"
	"time"

	"github.com/PlanktoScope/pkbuild/services/mjpeg"
)

// streamPause is the time between two cut-outs of the stream.
const streamPause = 3 * time.Second

// Stream serves the pictures of found objects as Motion JPEG at /object.mjpg, at most one every three seconds.
type Stream struct {
	mu     sync.Mutex
	latest []byte
	change chan struct{} // is closed when there is a new cut-out
}

// NewStream returns a Motion JPEG stream that has no picture yet.
func NewStream() *Stream { return &Stream{change: make(chan struct{})} }

// Show makes a JPEG picture of a found object the next one of the stream, in place of one that was not sent yet. The
// caller must not change the slice afterwards.
func (s *Stream) Show(jpeg []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = jpeg
	close(s.change)
	s.change = make(chan struct{})
}

func (s *Stream) get() ([]byte, chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest, s.change
}

// ServeHTTP serves the pictures of found objects as Motion JPEG at /object.mjpg, redirects / to /object.mjpg, and
// answers other paths with 404.
func (s *Stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		http.Redirect(w, r, "/object.mjpg", http.StatusMovedPermanently)
	case "/object.mjpg":
		s.serve(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *Stream) serve(w http.ResponseWriter, r *http.Request) {
	mjpeg.Begin(w)
	for {
		latest, change := s.get()
		if latest != nil && mjpeg.Write(w, latest) != nil {
			return
		}
		if latest != nil {
			select {
			case <-time.After(streamPause):
			case <-r.Context().Done():
				return
			}
		}
		select {
		case <-change:
		case <-r.Context().Done():
			return
		}
	}
}
