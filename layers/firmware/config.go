package firmware

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"
)

// Limits of the firmware's reader of config.txt.
const (
	maxLine    = 98 // characters; the rest of a line is ignored
	maxInclude = 8  // nesting depth of includes; the firmware's own limit is not documented
	maxConfig  = 16 << 10
)

// config holds the properties that config.txt, with the files that it includes, sets for one board in one state.
type config struct {
	board    Board
	state    State
	files    fs.FS
	name     string            // of the file: config.txt or tryboot.txt
	missing  bool              // the file does not exist
	values   map[string]string // last value of each property
	second   map[string]string // the same without included files, as the second stage reads it
	overlays []Overlay         // in the order of the file; the parameters of the base are those of the first, which has no name
	closed   map[string]bool   // kinds of the current filters that do not match
	depth    int
	warnings []string
}

// Overlay is a device tree overlay that config.txt loads, with its parameters.
type Overlay struct {
	File       string   `json:"file"`
	Parameters []string `json:"parameters,omitempty"` // such as speed=5000; one without a value is switched on
}

// readConfig reads a file in the format of config.txt as the firmware of a board would. A missing file is empty, as it is
// to the firmware.
func readConfig(files fs.FS, name string, b Board, s State) (*config, error) {
	c := &config{
		board: b, state: s, files: files, name: name,
		values: map[string]string{}, second: map[string]string{}, closed: map[string]bool{}, overlays: make([]Overlay, 1),
	}
	return c, c.read(name)
}

func (c *config) read(name string) error {
	data, err := fs.ReadFile(c.files, name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		c.missing = c.depth == 0
		c.warn("%s does not exist", name)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > maxConfig && c.board.Family == Pi5 {
		c.warn("%s has %d bytes; early firmware of the Pi 5 did not start with more than %d", name, len(data), maxConfig)
	}
	n := 0
	for line := range bytes.Lines(data) {
		n++
		if err := c.line(fmt.Sprintf("%s:%d", name, n), strings.TrimRight(string(line), "\r\n")); err != nil {
			return err
		}
	}
	return nil
}

func (c *config) line(place, line string) error {
	line = strings.TrimLeftFunc(line, unicode.IsSpace)
	switch {
	case line == "" || line[0] == '#':
		return nil
	case len(line) > maxLine:
		c.warn("%s: the firmware ignores the line after %d characters: %q", place, maxLine, line[maxLine:])
		line = line[:maxLine]
	}
	if line[0] == '[' {
		c.section(place, strings.TrimRight(line, " \t"))
		return nil
	}
	if len(c.closed) > 0 {
		return nil
	}
	if words := strings.Fields(line); words[0] == "include" || words[0] == "initramfs" {
		return c.command(place, words)
	}
	key, value, found := strings.Cut(line, "=")
	switch {
	case !found || strings.TrimSpace(key) != key || strings.TrimLeft(value, " \t") != value:
		c.warn("%s: %q is not property=value", place, line)
	case key == "include" || key == "initramfs":
		c.warn("%s: %s takes no equals sign", place, key)
	default:
		c.set(key, strings.TrimRight(value, " \t"))
	}
	return nil
}

// set sets a property. Those of device trees add up.
func (c *config) set(key, value string) {
	last := &c.overlays[len(c.overlays)-1]
	switch key {
	case "dtparam":
		last.Parameters = append(last.Parameters, strings.Split(value, ",")...)
		return
	case "dtoverlay":
		name, parameters, more := strings.Cut(value, ",")
		c.overlays = append(c.overlays, Overlay{File: name})
		if more {
			c.overlays[len(c.overlays)-1].Parameters = strings.Split(parameters, ",")
		}
		return
	}
	c.values[key] = value
	if c.depth == 0 {
		c.second[key] = value
	}
}

// command executes include and initramfs, which are written without an equals sign.
func (c *config) command(place string, words []string) error {
	switch {
	case len(words) < 2:
		c.warn("%s: %s without a file", place, words[0])
	case words[0] == "initramfs":
		c.values["ramfsfile"] = words[1]
	case c.depth == maxInclude:
		c.warn("%s: %s: includes are nested more than %d deep", place, words[1], maxInclude)
	default:
		c.depth++
		defer func() { c.depth-- }()
		return c.read(words[1])
	}
	return nil
}

func (c *config) flag(key string) bool {
	value, set := c.values[key]
	return set && value != "0"
}

func (c *config) exists(name string) bool {
	info, err := fs.Stat(c.files, name)
	return err == nil && !info.IsDir()
}

// join returns the path of a file that config.txt names: behind the prefix, unless the name begins with a slash.
func join(prefix, name string) string {
	if abs, ok := strings.CutPrefix(name, "/"); ok {
		return abs
	}
	return strings.TrimPrefix(prefix, "/") + name
}
