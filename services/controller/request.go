package controller

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/PlanktoScope/pkbuild/services/mqtt"
)

// maxPayload limits the bytes of a message.
const maxPayload = 1 << 20

// request is a message to the controller: a JSON object with an action.
type request struct {
	message mqtt.Message
	fields  map[string]json.RawMessage
	action  string
}

// FieldError is the error for an invalid field of an MQTT message, with the field's name.
type FieldError struct {
	Field   string // such as settings.current; empty if the whole message is wrong
	Problem string
	Missing bool
}

func (e *FieldError) Error() string {
	return strings.TrimSpace(e.Field + " " + e.Problem)
}

// parse reads a message. A request without an action has the action "".
func parse(m mqtt.Message) (*request, *FieldError) {
	r := &request{message: m}
	if len(m.Payload) > maxPayload {
		return r, &FieldError{Problem: fmt.Sprintf("message has %d bytes, want at most %d", len(m.Payload), maxPayload)}
	}
	var err *FieldError
	if r.fields, err = object("", m.Payload); err != nil {
		err.Problem = "message " + err.Problem
		return r, err
	}
	if isNull(r.fields["action"]) {
		return r, nil
	}
	r.action, err = r.text("action")
	return r, err
}

func object(field string, data []byte) (map[string]json.RawMessage, *FieldError) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		return nil, &FieldError{Field: field, Problem: "is no JSON object"}
	}
	return fields, nil
}

func isNull(v json.RawMessage) bool { return v == nil || bytes.Equal(v, []byte("null")) }

// text returns a field that must be a string.
func (r *request) text(field string) (string, *FieldError) {
	v := r.fields[field]
	if isNull(v) {
		return "", &FieldError{Field: field, Problem: "is missing", Missing: true}
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		return "", &FieldError{Field: field, Problem: fmt.Sprintf("is %s, want a string", shorten(v))}
	}
	return s, nil
}

// choice returns a field that must be one of two strings.
func (r *request) choice(field, a, b string) (string, *FieldError) {
	s, err := r.text(field)
	if err == nil && s != a && s != b {
		err = &FieldError{Field: field, Problem: fmt.Sprintf("is %q, want %s or %s", shorten([]byte(s)), a, b)}
	}
	return s, err
}

// number returns a field that must be a number from least to most, or a string with one, as the dashboard of 2024 sends it.
func (r *request) number(field string, least, most float64) (float64, *FieldError) {
	return number(field, r.fields[field], least, most)
}

func number(field string, v json.RawMessage, least, most float64) (float64, *FieldError) {
	if isNull(v) {
		return 0, &FieldError{Field: field, Problem: "is missing", Missing: true}
	}
	s := string(v)
	if s[0] == '"' && json.Unmarshal(v, &s) != nil {
		s = ""
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	switch {
	case err != nil || math.IsNaN(f):
		return 0, &FieldError{Field: field, Problem: fmt.Sprintf("is %s, want a number", shorten(v))}
	case f < least || f > most:
		return 0, &FieldError{Field: field, Problem: fmt.Sprintf("is %v, want %v to %v", f, least, most)}
	}
	return f, nil
}

// optional returns a number, or the fallback if the field is missing.
func (r *request) optional(field string, fallback, least, most float64) (float64, *FieldError) {
	if isNull(r.fields[field]) {
		return fallback, nil
	}
	return r.number(field, least, most)
}

// shorten returns a value for a message to the user.
func shorten(v []byte) string {
	const most = 40
	s := strings.ToValidUTF8(string(v), "\uFFFD")
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}
