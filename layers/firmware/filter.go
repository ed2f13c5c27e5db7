package firmware

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

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
	kind, applies := c.filter(filter)
	if kind == "" {
		c.warn("%s: unknown filter %q does not match", place, line)
	}
	if applies {
		delete(c.closed, kind)
		return
	}
	c.closed[kind] = true
}

// filter returns the kind of a filter, "" if it is unknown, and whether it matches. No screen is attached.
func (c *config) filter(f string) (kind string, applies bool) {
	name, value, _ := strings.Cut(f, "=")
	switch {
	case f == "none":
		return f, false
	case f == "tryboot":
		return f, c.state.Tryboot
	case name == "board-type":
		n, err := strconv.ParseUint(value, 0, 64)
		return "model", err == nil && n == c.board.Type
	case name == "EDID":
		return name, false
	case strings.HasPrefix(f, "HDMI:"): // the port to which display settings belong
		return "HDMI", true
	case strings.HasPrefix(f, "0x"):
		n, err := strconv.ParseUint(f, 0, 32)
		return "serial", err == nil && c.state.Serial != 0 && uint32(n) == c.state.Serial
	case strings.HasPrefix(f, "pi"), strings.HasPrefix(f, "cm"):
		return "model", c.model(f)
	}
	number, ok := strings.CutPrefix(name, "gpio")
	if pin, err := strconv.ParseUint(number, 10, 8); ok && err == nil {
		return "gpio", value == c.level(int(pin))
	}
	return c.expression(f)
}

// model reports whether a filter matches the board. Bootloaders before June 2024 took [pi5] for the Pi 5 alone.
func (c *config) model(filter string) bool {
	if filter == "pi5" && c.board.Name != "pi5" && !c.state.since("2024-06-01") {
		return false
	}
	return slices.Contains(c.board.Filters, filter)
}

// level is the level of a GPIO pin, "0" or "1". One that is not connected has that of its pull (BCM2711 ARM Peripherals,
// table of GPIO pins).
func (c *config) level(pin int) string {
	high, connected := c.state.Pins[pin]
	if !connected {
		high = pin <= 8
	}
	if high {
		return "1"
	}
	return "0"
}

// arguments are the numbers that an expression can compare, and the date of the first bootloader that does.
var arguments = map[string]string{
	"boot_partition": "2025-03-10", "boot_arg1": "2025-02-01", "boot_count": "2025-02-01", "bootvar0": "2025-02-01",
}

// expressions are filters such as [boot_arg1=42], [bootvar0&0x10], [bootvar0&0xf=3], [boot_count>2].
var expressions = regexp.MustCompile(`^([a-z0-9_]+)(?:&([0-9a-fx]+))?(?:([=<>])([0-9a-fx]+))?$`)

// expression evaluates a filter that compares a number.
func (c *config) expression(f string) (kind string, applies bool) {
	part := expressions.FindStringSubmatch(f)
	if part == nil || part[2] == "" && part[3] == "" {
		return "", false
	}
	since, known := arguments[part[1]]
	if !known || !c.state.since(since) {
		return "", false
	}
	value := c.state.Args[part[1]]
	if part[1] == "boot_partition" {
		value = uint64(max(1, c.state.booted))
	}
	if part[2] != "" {
		mask, err := strconv.ParseUint(part[2], 0, 64)
		if err != nil {
			return "", false
		}
		value &= mask
	}
	if part[3] == "" {
		return part[1], value != 0
	}
	want, err := strconv.ParseUint(part[4], 0, 64)
	if err != nil {
		return "", false
	}
	return part[1], part[3] == "=" && value == want || part[3] == "<" && value < want || part[3] == ">" && value > want
}

func (c *config) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
}
