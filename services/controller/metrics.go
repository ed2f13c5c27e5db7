package controller

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Metrics counts what the controller does, and serves the counters to Prometheus. The zero value is ready for use.
type Metrics struct {
	mu     sync.Mutex
	values map[metric]float64
}

type metric struct{ name, part string }

// descriptions has the type and the help text of each metric.
var descriptions = map[string][2]string{
	"pkcontroller_statuses_total":         {"counter", "Messages published on status topics."},
	"pkcontroller_refused_messages_total": {"counter", "Messages that were answered with an error."},
	"pkcontroller_messages_total":         {"counter", "Messages received."},
	"pkcontroller_moves_total":            {"counter", "Moves of a motor that were started."},
	"pkcontroller_moved_units_total":      {"counter", "mL pumped or mm moved, in both directions."},
	"pkcontroller_hardware_errors_total":  {"counter", "Errors of a chip or of the camera."},
	"pkcontroller_pictures_total":         {"counter", "Pictures saved by acquisitions."},
	"pkcontroller_picture_bytes_total":    {"counter", "Bytes of pictures saved by acquisitions."},
	"pkcontroller_light_on_seconds_total": {"counter", "Operating time of the light."},
	"pkcontroller_preview_clients":        {"gauge", "Clients of the preview."},
	"pkcontroller_hot":                    {"gauge", "1 if the driver of a motor warns of its temperature."},
	"pkcontroller_simulated":              {"gauge", "1 if the hardware is simulated."},
}

func (m *Metrics) add(name, part string, n float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values == nil {
		m.values = map[metric]float64{}
	}
	m.values[metric{name, part}] += n
}

func (m *Metrics) count(name, part string) { m.add(name, part, 1) }

func (m *Metrics) set(name, part string, value float64) {
	m.add(name, part, 0)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[metric{name, part}] = value
}

// WriteTo writes the metrics in Prometheus' text format.
func (m *Metrics) WriteTo(w io.Writer) (int64, error) {
	m.mu.Lock()
	values := maps.Clone(m.values)
	m.mu.Unlock()
	keys := slices.SortedFunc(maps.Keys(values), func(a, b metric) int {
		return strings.Compare(a.name+"\x00"+a.part, b.name+"\x00"+b.part)
	})
	var b strings.Builder
	for i, k := range keys {
		if i == 0 || keys[i-1].name != k.name {
			d := descriptions[k.name]
			fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", k.name, d[1], k.name, d[0])
		}
		if k.part == "" {
			fmt.Fprintf(&b, "%s %v\n", k.name, values[k])
		} else {
			fmt.Fprintf(&b, "%s{part=%q} %v\n", k.name, k.part, values[k])
		}
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// ServeHTTP serves the metrics at /metrics, and status 404 elsewhere.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/metrics" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = m.WriteTo(w)
}
