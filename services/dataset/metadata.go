package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Metadata is a JSON object that keeps the order of its keys. The zero value is an empty object.
type Metadata struct {
	keys   []string
	values map[string]any
}

// Keys returns the keys of the object in their order.
func (m *Metadata) Keys() []string { return slices.Clone(m.keys) }

// Has reports whether a key has a value other than null.
func (m *Metadata) Has(key string) bool { return m.values[key] != nil }

// Set gives a key a value, and adds a new key as the last one. For a value that encoding/json cannot encode,
// MarshalJSON and Indented fail later.
func (m *Metadata) Set(key string, value any) {
	if m.values == nil {
		m.values = map[string]any{}
	}
	if _, known := m.values[key]; !known {
		m.keys = append(m.keys, key)
	}
	m.values[key] = value
}

// Clone returns a copy whose keys can be set without changing the original.
func (m *Metadata) Clone() *Metadata {
	c := &Metadata{}
	for _, key := range m.keys {
		c.Set(key, m.values[key])
	}
	return c
}

// Text returns the value of a key as text: a string as it is, anything else as JSON, and "" for null or a missing key.
func (m *Metadata) Text(key string) string {
	switch v := m.values[key].(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	default:
		data, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		return string(data)
	}
}

// IsNumber reports whether the value of a key is a number, not text that looks like one.
func (m *Metadata) IsNumber(key string) bool {
	switch m.values[key].(type) {
	case json.Number, float64, float32, int, int64, uint64:
		return true
	}
	return false
}

// Float returns the number of a key, which may be a string, as dashboards send it. It fails if the key is missing or no
// number.
func (m *Metadata) Float(key string) (float64, error) {
	if !m.Has(key) {
		return 0, fmt.Errorf("%s is missing", key)
	}
	text := strings.TrimSpace(m.Text(key))
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is %q, want a number", key, text)
	}
	return f, nil
}

// UnmarshalJSON reads a JSON object. Of equal keys the last value counts. Numbers keep their digits.
func (m *Metadata) UnmarshalJSON(data []byte) error {
	*m = Metadata{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if t, err := d.Token(); err != nil {
		return jsonError(err)
	} else if t != json.Delim('{') {
		return errors.New("want a JSON object")
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return jsonError(err)
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return jsonError(err)
		}
		m.Set(key.(string), value)
	}
	if _, err := d.Token(); err != nil {
		return jsonError(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data after the JSON object")
	}
	return nil
}

// jsonError makes the end of the input, which is an error inside an object, tell so.
func jsonError(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// MarshalJSON returns the object without white space.
func (m Metadata) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, key := range m.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := e.Encode(key); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := e.Encode(m.values[key]); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Indented returns the object with indents of four spaces, as metadata.json has it.
func (m *Metadata) Indented() ([]byte, error) {
	data, err := m.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "    "); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
