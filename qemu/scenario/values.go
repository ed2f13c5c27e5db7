package scenario

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Pattern is a regular expression (RE2) in a scenario; ^ and $ match at line breaks.
type Pattern struct{ *regexp.Regexp }

// UnmarshalText compiles a regular expression.
func (p *Pattern) UnmarshalText(text []byte) error {
	re, err := regexp.Compile("(?m)" + string(text))
	if err != nil {
		return fmt.Errorf("%q is not a regular expression: %w", text, err)
	}
	p.Regexp = re
	return nil
}

// String returns the regular expression as it was written.
func (p Pattern) String() string {
	if p.Regexp == nil {
		return ""
	}
	return strings.TrimPrefix(p.Regexp.String(), "(?m)")
}

// matches reports whether the pattern is absent or matches.
func (p Pattern) matches(s string) bool { return p.Regexp == nil || p.MatchString(s) }

// Duration is a positive duration that scenarios write as 90s or 5m.
type Duration time.Duration

// UnmarshalText parses a positive duration such as 90s or 5m.
func (d *Duration) UnmarshalText(text []byte) error {
	t, err := time.ParseDuration(string(text))
	if err != nil || t <= 0 {
		return fmt.Errorf("%q is not a duration; write one such as 90s or 5m", text)
	}
	*d = Duration(t)
	return nil
}

// or returns the duration, or another one if it is 0.
func (d Duration) or(other time.Duration) time.Duration {
	if d == 0 {
		return other
	}
	return time.Duration(d)
}

// Size is a number of bytes that scenarios write as 4GiB or 512MiB.
type Size int64

var sizePattern = regexp.MustCompile(`^([0-9]+)(B|KiB|MiB|GiB)?$`)

// UnmarshalText parses a size such as 4GiB into bytes.
func (s *Size) UnmarshalText(text []byte) error {
	parts := sizePattern.FindStringSubmatch(string(text))
	if parts == nil {
		return fmt.Errorf("%q is not a size; write one in B, KiB, MiB or GiB", text)
	}
	shift := map[string]int{"KiB": 10, "MiB": 20, "GiB": 30}[parts[2]]
	n, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || n > math.MaxInt64>>shift {
		return fmt.Errorf("size %q is too large", text)
	}
	*s = Size(n << shift)
	return nil
}

// Clock is a point in time that scenarios write as 2031-05-01T12:00:00Z.
type Clock struct{ time.Time }

// UnmarshalText parses a time such as 2031-05-01T12:00:00Z (RFC 3339).
func (c *Clock) UnmarshalText(text []byte) (err error) {
	if c.Time, err = time.Parse(time.RFC3339, string(text)); err != nil {
		return fmt.Errorf("%q is not a time; write one such as 2031-05-01T12:00:00Z", text)
	}
	return nil
}
