package service

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/dataset"
	"github.com/PlanktoScope/pkbuild/services/mqtt"
	"github.com/PlanktoScope/pkbuild/services/plankton"
)

// fixture is a running service whose messages are recorded.
type fixture struct {
	*Service
	data string

	mu       sync.Mutex
	messages []mqtt.Message
	answers  []string
}

// start runs a service over a directory with small data sets.
func start(t *testing.T, hook func(f *fixture, m mqtt.Message), acqs ...string) *fixture {
	t.Helper()
	f := &fixture{data: t.TempDir()}
	p := plankton.Default()
	p.Width, p.Height, p.Objects, p.Dirt = 320, 240, 2, 0
	require.NoError(t, os.MkdirAll(filepath.Join(f.data, "img"), 0o755))
	for _, acq := range acqs {
		s := plankton.Sample{Name: acq, Params: p, Pictures: 3}
		require.NoError(t, s.Write(context.Background(), filepath.Join(f.data, "img/20260101/simulated", acq)))
	}
	f.Service = New(Config{
		Data: f.data, Version: "test", Stall: time.Hour, Log: slog.New(slog.DiscardHandler),
		Publish: func(m mqtt.Message) {
			f.mu.Lock()
			f.messages = append(f.messages, m)
			f.mu.Unlock()
			if hook != nil {
				hook(f, m)
			}
		},
		Respond: func(m mqtt.Message, payload []byte) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.answers = append(f.answers, string(m.Correlation)+" "+string(payload))
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { f.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return f
}

// send sends a message to the service.
func (f *fixture) send(payload string) {
	f.Receive(mqtt.Message{Topic: "segmenter/segment", Payload: []byte(payload)})
}

// statuses returns the texts on the status topic.
func (f *fixture) statuses() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, m := range f.messages {
		if m.Topic != StatusTopic {
			continue
		}
		var s struct{ Status string }
		if json.Unmarshal(m.Payload, &s) == nil {
			all = append(all, s.Status)
		}
	}
	return all
}

// await waits for a status that begins with a text.
func (f *fixture) await(t *testing.T, prefix string) {
	t.Helper()
	require.Eventually(t, func() bool {
		all := f.statuses()
		return len(all) > 0 && strings.HasPrefix(all[len(all)-1], prefix)
	}, time.Minute, 5*time.Millisecond, "no status %q in %v", prefix, f.statuses())
}

// TestConversation compares all statuses with those that the dashboards expect.
func TestConversation(t *testing.T) {
	f := start(t, nil, "a", "b")
	f.Receive(mqtt.Message{Topic: "segmenter/segment", ResponseTopic: "r", Correlation: []byte("7"), Payload: fmt.Appendf(nil,
		`{"action":"segment","path":[%q],"settings":{"force":false,"recursive":true,"ecotaxa":true,"keep":true,"process_id":3}}`, f.data+"/img/20260101")})
	f.await(t, "Done")
	picture := func(i int) string {
		return fmt.Sprintf("Segmenting image 2026-01-01_12-00-0%d-000000.jpg, image %d/3", i, i+1)
	}
	one := []string{"Calculating flat", picture(0), picture(1), picture(2)}
	want := append(append([]string{"Ready", "Started"}, one...), append(one, "Done")...)
	require.Equal(t, want, f.statuses())
	require.Equal(t, []string{`7 {"status":"Started"}`}, f.answers)

	objects := map[string]int{}
	for _, m := range f.messages {
		objects[m.Topic]++
		require.False(t, m.Retain)
		if m.Topic == MetricTopic {
			var metric struct {
				Name     string
				Metadata map[string]float64
			}
			require.NoError(t, json.Unmarshal(m.Payload, &metric))
			require.Regexp(t, regexp.MustCompile(`^2026-01-01_12-00-0\d-000000_\d+$`), metric.Name)
			require.Positive(t, metric.Metadata["area_exc"])
		}
	}
	require.Positive(t, objects[ObjectTopic])
	require.Equal(t, objects[ObjectTopic], objects[MetricTopic])
	require.Equal(t, 6, objects[ProgressTopic])
	for _, name := range []string{
		"img/20260101/simulated/a/done.txt", "export/ecotaxa/ecotaxa_a.zip", "export/ecotaxa/ecotaxa_b.zip", "clean/20260101/simulated/a/flat_color.jpg",
		"clean/20260101/simulated/b/2026-01-01_12-00-00-000000/cleaned_image.jpg", "objects/20260101/simulated/b/ecotaxa_b.tsv",
	} {
		require.FileExists(t, filepath.Join(f.data, name))
	}
	table, err := os.ReadFile(filepath.Join(f.data, "objects/20260101/simulated/b/ecotaxa_b.tsv"))
	require.NoError(t, err)
	require.Contains(t, string(table), "synthetic_simulated_3\t")

	f.send(`{"action":"segment","path":["20260101"]}`) // nothing is left to do, and a relative path will do
	require.Eventually(t, func() bool { return len(f.statuses()) == len(want)+2 }, time.Minute, 5*time.Millisecond)
	require.Equal(t, append(want, "Started", "Done"), f.statuses())
	f.send(`{"action":"segment","path":["20260101/simulated/a"],"settings":{"force":true,"recursive":false,"keep":false}}`)
	require.Eventually(t, func() bool { return len(f.statuses()) == len(want)+8 }, time.Minute, 5*time.Millisecond)
	require.Equal(t, append(append(append(want, "Started", "Done", "Started"), one...), "Done"), f.statuses())
}

// TestStop stops in the middle of a data set, and continues where it was.
func TestStop(t *testing.T) {
	stopped := false
	f := start(t, func(f *fixture, m mqtt.Message) {
		if bytes.Contains(m.Payload, []byte("image 2/3")) && !stopped {
			stopped = true
			f.send(`{"action":"stop"}`)
		}
	}, "a")
	f.send(`{"action":"segment","path":"20260101"}`)
	f.await(t, "Interrupted")
	require.NotContains(t, f.statuses(), "Done")
	require.NoFileExists(t, filepath.Join(f.data, "img/20260101/simulated/a/done.txt"))
	before := len(f.statuses())
	f.send(`{"action":"segment","path":"20260101"}`)
	f.await(t, "Done")
	require.NotContains(t, strings.Join(f.statuses()[before:], "\n"), "image 1/3", "segmented again")
	f.send(`{"action":"stop"}`)
	f.await(t, "Interrupted")
	f.Reconnected()
	f.await(t, "Ready")
}

func TestBadMessages(t *testing.T) {
	f := start(t, nil, "a")
	outside := t.TempDir()
	require.NoError(t, os.Symlink(outside, filepath.Join(f.data, "img/link")))
	const raised = "An exception was raised during the segmentation: "
	for payload, want := range map[string]string{
		``:                                    "Error: payload is not a JSON object",
		`null`:                                "Error: payload is not a JSON object",
		`[1]`:                                 "Error: payload is not a JSON object",
		`{}`:                                  "Error: action is missing, want segment or stop",
		`{"action":7}`:                        "Error: action is 7, want text",
		`{"action":"x"}`:                      `Error: action is "x", want segment or stop`,
		`{"action":"segment"}`:                "Error: path is missing, want a list of directories",
		`{"action":"segment","path":[]}`:      "Error: path is empty, want a list of directories",
		`{"action":"segment","path":{"a":1}}`: `Error: path is {"a":1}, want a list of directories`,
		`{"action":"segment","path":["."],"settings":1}`:                      "Error: settings is not a JSON object",
		`{"action":"segment","path":["."],"settings":{"force":"yes"}}`:        `Error: settings.force is "yes", want true or false`,
		`{"action":"segment","path":["."],"settings":{"process_id":{}}}`:      "Error: settings.process_id is {}, want text or a number",
		`{"action":"segment","path":["."],"settings":{"process_min_ESD":-1}}`: "Error: settings: smallest diameter is -1 µm, want a positive number",
		`{"action":"segment","path":["."],"settings":{"method":"magic"}}`:     `Error: settings: method is "magic", want standard or adaptive`,
		`{"action":"segment","path":["missing"]}`:                             raised + "lstat " + f.data + "/img/missing: no such file or directory.",
		`{"action":"segment","path":["/"]}`:                                   raised + `path "/" is outside ` + f.data + "/img.",
		`{"action":"segment","path":["../.."]}`:                               raised + `path "` + filepath.Dir(f.data) + `" is outside ` + f.data + "/img.",
		`{"action":"segment","path":["link"]}`:                                raised + `path "` + f.data + `/img/link" is outside ` + f.data + "/img.",
		`{"action":"segment","path":["20260101/simulated/a/metadata.json"]}`:  raised + `path "` + f.data + `/img/20260101/simulated/a/metadata.json" is not a directory.`,
		`{"action":"update_config"}`:                                          "Busy",
	} {
		f.send(payload)
		f.await(t, want)
		all := f.statuses()
		require.Equal(t, want, all[len(all)-1], payload)
	}
}

// TestBrokenDataSet: a data set that fails does not keep the other one from being segmented.
func TestBrokenDataSet(t *testing.T) {
	f := start(t, nil, "a", "b")
	name := filepath.Join(f.data, "img/20260101/simulated/a", dataset.MetadataFile)
	require.NoError(t, os.WriteFile(name, []byte(`{"acq_id":"a"}`), 0o644))
	f.send(`{"action":"segment","path":["20260101"]}`)
	f.await(t, "An exception")
	all := f.statuses()
	require.Equal(t, "An exception was raised during the segmentation: data set "+filepath.Dir(name)+": metadata: process_pixel is missing: it is the size of a pixel in µm.", all[len(all)-1])
	require.FileExists(t, filepath.Join(f.data, "export/ecotaxa/ecotaxa_b.zip"))
}

// TestPause holds the segmentation while the imager acquires, and stops it at once in the pause.
func TestPause(t *testing.T) {
	f := start(t, nil, "a")
	imager := func(text string) {
		f.Receive(mqtt.Message{Topic: ImagerTopic, Payload: []byte(`{"status":"` + text + `"}`)})
	}
	paused := func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.messages) > 0 && bytes.Contains(f.messages[len(f.messages)-1].Payload, []byte(`"paused":true`))
	}
	imager("Started")
	f.send(`{"action":"segment","path":["20260101"]}`)
	require.Eventually(t, paused, time.Minute, time.Millisecond)
	imager("Image 1/3 saved to x.jpg")
	f.send(`{"action":"stop"}`)
	f.await(t, "Interrupted")
	f.send(`{"action":"segment","path":["20260101"]}`)
	require.Eventually(t, paused, time.Minute, time.Millisecond)
	imager("Done")
	f.await(t, "Done")
}

// TestGateOpensAfterStall: a controller that was lost without a status does not block the segmenter forever.
func TestGateOpensAfterStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(time.Minute)
		g.imager([]byte(`{"status":"Started"}`))
		time.Sleep(50 * time.Second)
		g.imager([]byte(`{"type":"progress","current":2}`))
		begun := time.Now()
		require.NoError(t, g.wait(context.Background(), func() {}))
		require.Equal(t, time.Minute, time.Since(begun))
		g.imager([]byte(`{`))
		require.NoError(t, g.wait(context.Background(), func() { t.Error("paused") }))
	})
}

func TestStream(t *testing.T) {
	s := NewStream()
	server := httptest.NewServer(s)
	defer server.Close()
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Get(server.URL + "/")
	require.NoError(t, err)
	require.Equal(t, http.StatusMovedPermanently, res.StatusCode)
	require.Equal(t, "/object.mjpg", res.Header.Get("Location"))
	res, err = client.Get(server.URL + "/x")
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, res.StatusCode)

	s.Show([]byte("cutout"))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/object.mjpg", nil)
	require.NoError(t, err)
	res, err = client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	part := make([]byte, len("--FRAME\r\nContent-Type: image/jpeg\r\nContent-Length: 6\r\n\r\ncutout\r\n"))
	_, err = io.ReadFull(res.Body, part)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(string(part), "\r\n\r\ncutout\r\n"), "%q", part)
}

// TestHostileMessages sends 10,000 random messages during a segmentation: each that is refused has an answer, and the
// segmentation ends as without them.
func TestHostileMessages(t *testing.T) {
	f := start(t, nil, "a")
	r := rand.New(rand.NewPCG(1, 2))
	pieces := []string{`{`, `}`, `[`, `"action"`, `:`, `"segment"`, `"update_config"`, `,`, `"path"`, `"settings"`, `null`, `-1e999`, `"\u0000"`, "\xff", `{"action":"x"}`, `{"action":"segment","path":7}`}
	f.send(`{"action":"segment","path":["20260101"]}`)
	refused := 0
	for range 10_000 {
		var text strings.Builder
		for range r.IntN(8) {
			text.WriteString(pieces[r.IntN(len(pieces))])
		}
		if q, err := parse([]byte(text.String())); err != nil || q.Action == "update_config" {
			refused++
		}
		f.send(text.String())
	}
	require.Eventually(t, func() bool { return slices.Contains(f.statuses(), "Done") }, time.Minute, 5*time.Millisecond)
	answers := 0
	for _, s := range f.statuses() {
		if strings.HasPrefix(s, "Error: ") || s == "Busy" {
			answers++
		}
	}
	require.Equal(t, refused, answers)
	require.Greater(t, refused, 9000)
	require.FileExists(t, filepath.Join(f.data, "img/20260101/simulated/a/done.txt"))
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"action":"segment","path":["a"],"settings":{"force":true,"process_id":1,"process_min_ESD":20.5}}`))
	f.Add([]byte(`{"action":"stop"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parse(data)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		require.Contains(t, []string{"segment", "stop", "update_config"}, r.Action)
		if r.Action == "segment" {
			require.NotEmpty(t, r.Paths)
			require.NoError(t, r.Settings.Settings.Check())
		}
	})
}
