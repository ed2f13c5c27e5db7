package bootset

import (
	"bytes"
	"fmt"
	"strings"
)

// sectorSize is the size of config.txt: a sector is written wholly or not at all.
const sectorSize = 512

// selection is what config.txt says of sets.
type selection struct {
	number int
	launch bool // the next boot starts another set by kexec, as launch.txt of the selected one says
}

// FormatConfig returns a config.txt of one sector (512 bytes): the lines that select a set, and then the given ones, which
// have no line breaks. It fails if they do not fit.
func FormatConfig(number int, lines []string) ([]byte, error) {
	text := strings.Join(append(selection{number: number}.lines(), lines...), "\n") + "\n"
	return sector(text)
}

// sector pads the text of config.txt to a sector with line breaks.
func sector(text string) ([]byte, error) {
	if len(text) > sectorSize {
		return nil, fmt.Errorf("%s has %d bytes, and a sector %d: move lines to another file and include it", ConfigFile, len(text), sectorSize)
	}
	return append([]byte(text), bytes.Repeat([]byte("\n"), sectorSize-len(text))...), nil
}

func (s selection) lines() []string {
	file := Cmdline
	if s.launch {
		file = Launch
	}
	return []string{"os_prefix=" + DirName(s.number) + "/", "cmdline=" + file}
}

// parseConfig returns the selection of config.txt, and its other lines.
func parseConfig(data []byte) (s selection, rest []string, err error) {
	for line := range strings.Lines(strings.TrimRight(string(data), "\r\n\x00")) {
		line = strings.TrimRight(line, "\r\n")
		key, value, _ := strings.Cut(line, "=")
		switch {
		case key == "os_prefix" && s.number == 0:
			if s.number = ParseDirName(strings.TrimSuffix(value, "/")); s.number == 0 {
				return s, nil, fmt.Errorf("%s selects %q, which is no boot set", ConfigFile, value)
			}
		case key == "cmdline":
			s.launch = value == Launch
		default:
			rest = append(rest, line)
		}
	}
	if s.number == 0 {
		return s, nil, fmt.Errorf("%w: %s selects none, since the image was built without them", ErrNone, ConfigFile)
	}
	return s, rest, nil
}

// withSelection returns config.txt with another selection.
func withSelection(data []byte, s selection) ([]byte, error) {
	_, rest, err := parseConfig(data)
	if err != nil {
		return nil, err
	}
	return sector(strings.Join(append(s.lines(), rest...), "\n") + "\n")
}
