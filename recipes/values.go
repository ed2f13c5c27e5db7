package recipes

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.podman.io/image/v5/docker/reference"
)

var sizePattern = regexp.MustCompile(`^([0-9]+)(B|KiB|MiB|GiB|TiB)?$`)

// minBootSize is the minimum size of the FAT32 partition in bytes: a smaller one could have too few clusters.
const minBootSize = 256 << 20

// ParseSize parses a number of bytes with an optional unit B, KiB, MiB, GiB or TiB.
func ParseSize(s string) (int64, error) {
	parts := sizePattern.FindStringSubmatch(s)
	if parts == nil {
		return 0, fmt.Errorf("%s is not a size; write one in B, KiB, MiB, GiB or TiB, such as 512MiB", quote(s))
	}
	shift := 10 * max(0, slices.Index([]string{"B", "KiB", "MiB", "GiB", "TiB"}, parts[2]))
	n, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("%s is too large; the largest size is 8388607TiB", quote(s))
	}
	return n << shift, nil
}

// ParseDate parses a date (2026-01-31, midnight UTC) or an RFC 3339 time. The result is in UTC and between 1980 and 2107,
// the years of a FAT file system.
func ParseDate(s string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t, err = time.Parse(time.RFC3339, s)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("%s is not a date; write one such as 2026-01-31 or 2026-01-31T12:00:00Z", quote(s))
	}
	t = t.UTC()
	if t.Year() < 1980 || t.Year() > 2107 {
		return time.Time{}, fmt.Errorf("%s is not between 1980 and 2107, the years of a FAT file system", quote(s))
	}
	return t, nil
}

// ParseMode parses octal permissions, such as 0644 or 4755. The bits are those of chmod(2), including setuid, setgid and
// sticky, and not those of fs.FileMode.
func ParseMode(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o7777 {
		return 0, fmt.Errorf("%s is not a mode; write octal digits such as 0644", quote(s))
	}
	return uint32(n), nil
}

// checkFormat checks a value against a format that a pattern cannot express.
func checkFormat(format, s string) error {
	switch format {
	case "size":
		_, err := ParseSize(s)
		return err
	case "boot-size":
		n, err := ParseSize(s)
		if err == nil && n < minBootSize {
			return fmt.Errorf("%s is too small; write at least 256MiB", quote(s))
		}
		return err
	case "partition-size":
		if s == Rest {
			return nil
		}
		n, err := ParseSize(s)
		if err == nil && n < minPartitionSize {
			return fmt.Errorf("%s is too small; write at least 4MiB", quote(s))
		}
		return err
	case "mount":
		return checkMount(s)
	case "date":
		_, err := ParseDate(s)
		return err
	case "target":
		return checkTarget(s)
	case "port":
		return checkPort(s)
	case "bundle":
		return checkBundleName(s)
	case "authorized-key":
		return checkAuthorizedKey(s)
	case "container":
		return checkContainer(s)
	}
	return nil
}

// checkPort checks the number of a port.
func checkPort(s string) error {
	number, _, _ := strings.Cut(s, "/")
	if n, err := strconv.ParseUint(number, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%s is not a port; write a number from 1 to 65535", quote(s))
	}
	return nil
}

// checkTarget checks a path in the image.
func checkTarget(s string) error {
	if slices.Contains(strings.Split(s, "/"), "..") {
		return fmt.Errorf(`%s leaves its directory through ".."; write the path without`, quote(s))
	}
	return checkPath(s)
}

// checkPath refuses control characters, which would break the lines of messages.
func checkPath(s string) error {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("%s contains a control character; remove it", quote(s))
	}
	return nil
}

// checkBundleName refuses the names that the stage store reserves.
func checkBundleName(s string) error {
	if slices.Contains([]string{"next", "pending", "current", "rollback"}, s) {
		return fmt.Errorf("%s is reserved by the stage store; choose another name", quote(s))
	}
	return nil
}

// checkContainer checks the name of a container image.
func checkContainer(s string) error {
	if _, err := reference.ParseNormalizedNamed(s); err != nil {
		return fmt.Errorf("%s is not the name of a container image (%w); write one such as eclipse-mosquitto:2.0.20", quote(s), err)
	}
	return nil
}

// reason returns the cause of a file error, without the operation and the name.
func reason(err error) string {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err.Error()
	}
	return err.Error()
}
