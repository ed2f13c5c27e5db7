package controller_test

import (
	"bytes"
	"image/jpeg"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/camera"
	"github.com/PlanktoScope/pkbuild/services/controller"
)

func preview(t *testing.T) (*httptest.Server, *controller.Metrics) {
	t.Helper()
	m := new(controller.Metrics)
	cam := camera.NewSimulated(smallWorld(), func() camera.Conditions { return camera.Conditions{Light: 1} })
	s := httptest.NewServer(controller.NewPreview(cam, slog.New(slog.DiscardHandler), m))
	t.Cleanup(s.Close)
	return s, m
}

func TestPreviewHasManyClients(t *testing.T) {
	s, m := preview(t)
	var clients sync.WaitGroup
	for range 50 {
		clients.Go(func() {
			r, err := http.Get(s.URL + "/stream.mjpg")
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Body.Close()
			kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
			if err != nil || kind != "multipart/x-mixed-replace" || r.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Error("header", r.Header)
			}
			parts := multipart.NewReader(r.Body, parameters["boundary"])
			for range 5 {
				p, err := parts.NextPart()
				if err != nil {
					t.Error(err)
					return
				}
				data, err := io.ReadAll(p)
				if err != nil {
					t.Error(err)
				}
				if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	clients.Wait()
	// Frames stop when the last client has gone.
	require.Eventually(t, func() bool {
		var b strings.Builder
		_, _ = m.WriteTo(&b)
		return strings.Contains(b.String(), "\npkcontroller_preview_clients 0\n")
	}, 5*time.Second, 10*time.Millisecond)
}

func TestPreviewPaths(t *testing.T) {
	s, _ := preview(t)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := client.Get(s.URL + "/")
	require.NoError(t, err)
	require.Equal(t, 301, r.StatusCode)
	require.Equal(t, "/stream.mjpg", r.Header.Get("Location"))
	r, err = client.Get(s.URL + "/other")
	require.NoError(t, err)
	require.Equal(t, 404, r.StatusCode)

	none := httptest.NewRecorder()
	controller.NewPreview(nil, slog.Default(), new(controller.Metrics)).ServeHTTP(none, httptest.NewRequest("GET", "/stream.mjpg", nil))
	require.Equal(t, 503, none.Code)
}
