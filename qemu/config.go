package qemu

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Limits of the firmware's reader of config.txt.
const (
	maxLine    = 98 // characters; the rest of a line is ignored
	maxInclude = 8  // nesting depth of includes; the firmware's own limit is not documented
)

// config holds the properties that config.txt, with the files that it includes, sets for one board.
type config struct {
	board    Board
	files    fs.FS
	values   map[string]string // last value of each property
	closed   map[string]bool   // kinds of the current filters that do not match
	depth    int
	warnings []string
}

// readConfig reads a file in the format of config.txt as the firmware of a board would. A missing file is empty, as it is
// to the firmware.
func readConfig(files fs.FS, name string, b Board) (*config, error) {
	c := &config{board: b, files: files, values: map[string]string{}, closed: map[string]bool{}}
	return c, c.read(name)
}

func (c *config) read(name string) error {
	data, err := fs.ReadFile(c.files, name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		c.warn("%s does not exist", name)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
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

func (c *config) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
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
		c.values[key] = strings.TrimRight(value, " \t")
	}
	return nil
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

// section applies a filter to the following lines. Filters of one kind replace one another, those of different kinds must
// all match, and [all] ends them.
func (c *config) section(place, line string) {
	filter, ok := strings.CutSuffix(line[1:], "]")
	if !ok {
		c.warn("%s: filter %q has no closing bracket", place, line)
		filter = ""
	}
	if filter == "all" {
		clear(c.closed)
		return
	}
	kind, applies := c.board.filter(filter)
	if kind == "" {
		c.warn("%s: unknown filter %q does not match", place, line)
	}
	if applies {
		delete(c.closed, kind)
		return
	}
	c.closed[kind] = true
}

// filter returns the kind of a filter, "" if it is unknown, and whether it matches a board without a screen, with nothing
// on its GPIO pins, without the tryboot flag, and with a serial number that no file names.
func (b Board) filter(f string) (kind string, applies bool) {
	name, value, _ := strings.Cut(f, "=")
	switch {
	case f == "none", f == "tryboot":
		return f, false
	case name == "board-type":
		n, err := strconv.ParseUint(value, 0, 64)
		return "model", err == nil && n == b.Type
	case name == "EDID":
		return name, false
	case strings.HasPrefix(f, "HDMI:"): // the port to which display settings belong
		return "HDMI", true
	case strings.HasPrefix(f, "0x"):
		return "serial", false
	case strings.HasPrefix(f, "pi"), strings.HasPrefix(f, "cm"):
		return "model", slices.Contains(b.Filters, f)
	}
	number, ok := strings.CutPrefix(name, "gpio")
	if pin, err := strconv.ParseUint(number, 10, 8); ok && err == nil {
		return "gpio", value == pull(pin)
	}
	return "", false
}

// pull is the level of a GPIO pin that is not connected (BCM2711 ARM Peripherals, table of GPIO pins).
func pull(pin uint64) string {
	if pin <= 8 {
		return "1"
	}
	return "0"
}
