package overlays

import (
	"fmt"
	"strconv"
	"strings"
)

// Options returns the overlay's options in the form that mount(2) takes: lowerdir, upperdir and workdir with escapes, and
// the features of overlayfs that are switched off, such as index=off.
func (m Mount) Options() string {
	lower := make([]string, len(m.Lowerdirs))
	for i, l := range m.Lowerdirs {
		lower[i] = escapeLower.Replace(l)
	}
	layers := "lowerdir=" + strings.Join(lower, ":")
	if !m.ReadOnly() {
		layers += ",upperdir=" + escape.Replace(m.Upperdir) + ",workdir=" + escape.Replace(m.Workdir)
	}
	return layers + "," + features
}

// features switches off what would tie an upperdir to the layers below it: these change with every stage, which the
// kernel allows only for overlays that never used the features. The kernel's defaults differ between vendors.
const features = "index=off,metacopy=off,redirect_dir=nofollow,xino=off"

// The kernel splits options at commas and lowerdir at colons, and takes a backslash before either as an escape.
var (
	escape      = strings.NewReplacer(`\`, `\\`, `,`, `\,`)
	escapeLower = strings.NewReplacer(`\`, `\\`, `,`, `\,`, `:`, `\:`)
)

// ParseOptions returns the layers of an overlay from its super options in mountinfo. Source and Target stay empty: they
// are other fields of the line. Unknown options are ignored, since the kernel adds its own.
func ParseOptions(options string) (Mount, error) {
	var m Mount
	for field := range strings.SplitSeq(options, ",") {
		key, value, _ := strings.Cut(field, "=")
		value, err := unescapeOctal(value)
		if err != nil {
			return Mount{}, fmt.Errorf("overlay option %s: %w", field, err)
		}
		switch key {
		case "lowerdir":
			m.Lowerdirs = splitLower(value)
		case "lowerdir+": // one layer set by fsconfig(2), without escapes
			m.Lowerdirs = append(m.Lowerdirs, value)
		case "upperdir":
			m.Upperdir = unescape(value)
		case "workdir":
			m.Workdir = unescape(value)
		}
	}
	return m, nil
}

// unescapeOctal decodes the \ooo with which the kernel writes commas, white space and backslashes in mountinfo.
func unescapeOctal(s string) (string, error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, `\`)
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		if len(after) < 3 {
			return "", fmt.Errorf("octal escape \\%s has fewer than three digits", after)
		}
		c, err := strconv.ParseUint(after[:3], 8, 8)
		if err != nil {
			return "", fmt.Errorf("escape \\%s in the option is not octal", after[:3])
		}
		b.WriteByte(byte(c))
		s = after[3:]
	}
}

// splitLower splits at colons that are not escaped by a backslash.
func splitLower(s string) []string {
	var dirs []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ':':
			dirs = append(dirs, unescape(s[start:i]))
			start = i + 1
		}
	}
	return append(dirs, unescape(s[start:]))
}

// unescape removes the backslash escapes of mount(2) options, which the kernel keeps in mountinfo.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
