package controller

import (
	"encoding/json"
	"log/slog"
	"sync"

	"github.com/PlanktoScope/pkbuild/services/mqtt"
)

// Status is the JSON payload that the controller publishes on a status topic. The texts in Status are part of the interface:
// clients of the PlanktoScope OS of 2024 compare them.
type Status struct {
	Status   string   `json:"status,omitempty"`
	Duration *float64 `json:"duration,omitempty"` // seconds that a move takes
	Value    *float64 `json:"value,omitempty"`    // brightness or power, 0 to 1
	Path     string   `json:"path,omitempty"`

	// What a mistake is about, beside the text of 2024.
	Field string `json:"field,omitempty"`
	Error string `json:"error,omitempty"`

	// Of a picture in an acquisition.
	Type    string `json:"type,omitempty"`
	Current int    `json:"current,omitempty"`
	Total   int    `json:"total,omitempty"`

	Interrupted []string `json:"interrupted,omitempty"` // data sets that can be continued

	Hardware string `json:"hardware,omitempty"` // "simulated", or empty
}

// mistake returns the status of bad input. The text is the one of 2024, or says what is wrong where there was none.
func mistake(text string, err *FieldError) Status {
	if text == "" {
		text = "Error, " + err.Error()
	}
	return Status{Status: text, Field: err.Field, Error: err.Error()}
}

// board publishes the status of all parts and remembers each part's state for clients that come later.
type board struct {
	client    *mqtt.Client
	simulated bool
	log       *slog.Logger
	metrics   *Metrics

	mu     sync.Mutex
	states map[string][]byte // the retained payload of each part
}

func (b *board) encode(s any) []byte {
	if v, ok := s.(Status); ok && b.simulated {
		v.Hardware = "simulated"
		s = v
	}
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // a Status has only strings and finite numbers
	}
	return data
}

// state publishes what a part does now. The broker retains it.
func (b *board) state(part string, s Status) {
	payload := b.encode(s)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.states[part] = payload
	b.metrics.count("pkcontroller_statuses_total", part)
	b.client.Publish(mqtt.Message{Topic: "status/" + part, Payload: payload, QoS: 1, Retain: true})
}

// event publishes an answer that is no state: progress, or a mistake in a message.
func (b *board) event(part string, s any) {
	payload := b.encode(s)
	b.metrics.count("pkcontroller_statuses_total", part)
	b.client.Publish(mqtt.Message{Topic: "status/" + part, Payload: payload, QoS: 1})
}

// refuse answers a message that is wrong.
func (b *board) refuse(part string, m mqtt.Message, s Status) {
	b.metrics.count("pkcontroller_refused_messages_total", part)
	b.log.Info("message refused", "topic", m.Topic, "field", s.Field, "error", s.Error)
	b.event(part, s)
	b.client.Respond(m, b.encode(s))
}

// respond answers a request that was carried out or ended otherwise.
func (b *board) respond(m mqtt.Message, s any) { b.client.Respond(m, b.encode(s)) }

// again publishes the state of a part, or of all parts for "".
func (b *board) again(only string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for part, payload := range b.states {
		if only == "" || only == part {
			b.client.Publish(mqtt.Message{Topic: "status/" + part, Payload: payload, QoS: 1, Retain: true})
		}
	}
}
