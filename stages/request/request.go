// Package request reads what a person asks of one boot: from the kernel's command line, from a text file on the boot
// partition, and from the file that pkctl boot --next writes. It chooses no stage and imports no other rules.
package request

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Names of files.
const (
	TextFile   = "pkinit.txt"        // on the boot partition, written by a person
	ResultFile = "pkinit-result.txt" // on the boot partition, the answer of pkinit
	NextFile   = "next-boot.json"    // in overlays.StateDir, written by pkctl boot --next
)

// values are the values of each key besides the number of a stage.
var values = map[string][]string{
	"stage":     {report.FactoryStage, report.NoStage},
	"overrides": {"on", "off"},
	"reset":     {report.ResetOverrides, report.ResetFactory, report.ResetAll},
}

// set sets a key of a request. It fails if the key or the value is unknown.
func set(r *report.Request, key, value string) error {
	known, ok := values[key]
	if !ok {
		return fmt.Errorf("key %q is unknown: use stage, overrides or reset", key)
	}
	number, err := strconv.Atoi(value)
	if !slices.Contains(known, value) && (key != "stage" || err != nil || number < 1) {
		return fmt.Errorf("value %q of %s is unknown: use %s", value, key, strings.Join(known, ", "))
	}
	switch key {
	case "stage":
		r.Stage = value
	case "overrides":
		r.Overrides = value
	case "reset":
		r.Reset = value
	}
	return nil
}

// ParseText reads a text file of lines such as "stage=factory". It accepts what phones and Windows write: a byte order
// mark, UTF-16, any line ends, upper case, spaces, quotes, and comments after #. Mistakes are the lines that it did not
// understand, each with the reason.
func ParseText(data []byte) (r report.Request, mistakes []string) {
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "").Replace(decode(data))
	for line := range strings.SplitSeq(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		line = strings.ToLower(strings.TrimSpace(line))
		if line == "" {
			continue
		}
		key, value, found := strings.Cut(line, "=")
		if !found {
			key, value, _ = strings.Cut(line, ":")
		}
		clean := func(s string) string { return strings.Trim(strings.TrimSpace(s), "\"'“”‘’") }
		if err := set(&r, strings.TrimPrefix(clean(key), "pkinit."), clean(value)); err != nil {
			mistakes = append(mistakes, fmt.Sprintf("%q: %v", line, err))
		}
	}
	return r, mistakes
}

// decode returns a text in UTF-8, from UTF-8 or UTF-16 with a byte order mark, or else from UTF-8 or Latin-1.
func decode(data []byte) string {
	for mark, order := range map[string]binary.ByteOrder{"\xff\xfe": binary.LittleEndian, "\xfe\xff": binary.BigEndian} {
		if rest, ok := strings.CutPrefix(string(data), mark); ok {
			units := make([]uint16, len(rest)/2)
			for i := range units {
				units[i] = order.Uint16([]byte(rest[2*i:]))
			}
			return string(utf16.Decode(units))
		}
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	if utf8.ValidString(text) {
		return text
	}
	var out strings.Builder
	for _, b := range []byte(text) {
		out.WriteRune(rune(b))
	}
	return out.String()
}

// IsTextFile reports whether a file on the boot partition is, by its name, a person's request: pkinit.txt in upper or lower
// case, or pkinit.txt.txt, which Windows makes of it where it hides endings.
func IsTextFile(name string) bool {
	name = strings.ToLower(name)
	return name == TextFile || name == TextFile+".txt"
}

// ParseCmdline reads pkinit.stage= and pkinit.overrides= of the kernel's command line. The last of several counts.
// Mistakes are arguments that it did not understand, each with the reason.
func ParseCmdline(line string) (r report.Request, mistakes []string) {
	for arg := range strings.FieldsSeq(line) {
		if arg == "--" {
			break // the rest is for init
		}
		rest, ours := strings.CutPrefix(arg, "pkinit.")
		key, value, _ := strings.Cut(rest, "=")
		if !ours || key != "stage" && key != "overrides" {
			continue
		}
		if err := set(&r, key, value); err != nil {
			mistakes = append(mistakes, fmt.Sprintf("%s: %v", arg, err))
		}
	}
	return r, mistakes
}

// ParseList parses a request written as a list such as "stage=factory,overrides=off". It fails at the first item whose key
// or value is unknown. The last of several items with the same key counts.
func ParseList(list string) (r report.Request, err error) {
	for item := range strings.SplitSeq(list, ",") {
		key, value, _ := strings.Cut(item, "=")
		if err := set(&r, key, value); err != nil {
			return r, err
		}
	}
	return r, nil
}

// nextVersion is the version of the format of NextFile.
const nextVersion = 1

// next is the content of NextFile.
type next struct {
	Version int `json:"version"`
	report.Request
}

// ParseNext parses the content of NextFile, in which pkctl boot --next leaves a request for the next boot. It fails for
// another version of the format.
func ParseNext(data []byte) (report.Request, error) {
	var n next
	if err := json.Unmarshal(data, &n); err != nil {
		return report.Request{}, fmt.Errorf("parse %s: %w", NextFile, err)
	}
	if n.Version != nextVersion {
		return report.Request{}, fmt.Errorf("parse %s: version is %d, want %d", NextFile, n.Version, nextVersion)
	}
	return n.Request, nil
}

// Next is a request for the next boot, as pkctl boot --next writes it to NextFile, /var/lib/overlays/next-boot.json on the
// device.
type Next report.Request

// Marshal encodes the request as the content of NextFile.
func (r Next) Marshal() ([]byte, error) {
	data, err := json.MarshalIndent(next{nextVersion, report.Request(r)}, "", "  ")
	return append(data, '\n'), err
}

// Merge returns the first request, with its empty fields taken from the second.
func Merge(first, second report.Request) report.Request {
	if first == (report.Request{}) {
		return second
	}
	for _, field := range []struct{ to, from *string }{
		{&first.Stage, &second.Stage}, {&first.Overrides, &second.Overrides}, {&first.Reset, &second.Reset},
	} {
		if *field.to == "" && *field.from != "" {
			*field.to = *field.from
			if second.Source != "" && !strings.Contains(first.Source, second.Source) {
				first.Source = strings.TrimPrefix(first.Source+" and "+second.Source, " and ")
			}
		}
	}
	return first
}
