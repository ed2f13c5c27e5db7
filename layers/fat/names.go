package fat

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	maxUnits = 255 // of UTF-16 in a name

	// Characters that no name holds, and those that only long names hold.
	illegal  = `"*/:<>?\|`
	onlyLong = "+,;=[]. \x7f"
)

// encodeName checks a name and returns it in UTF-16.
func encodeName(name string) ([]uint16, error) {
	switch {
	case name == "" || name == "." || name == "..":
		return nil, fmt.Errorf("file name %q is invalid", name)
	case !utf8.ValidString(name):
		return nil, errors.New("file name is not UTF-8")
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "):
		return nil, errors.New("file name ends with a dot or a space, which FAT32 does not allow")
	case isDevice(name):
		return nil, fmt.Errorf("%s names a device on Windows, which cannot open such a file", name)
	}
	for _, r := range name {
		if r < ' ' || strings.ContainsRune(illegal, r) || r == 0xffff {
			return nil, fmt.Errorf("file name contains %q, which FAT32 does not allow", r)
		}
	}
	units := utf16.Encode([]rune(name))
	if len(units) > maxUnits {
		return nil, fmt.Errorf("file name has %d UTF-16 units, the limit of FAT32 is %d", len(units), maxUnits)
	}
	return units, nil
}

// isDevice reports whether a name, whatever its extension, is that of a DOS device.
func isDevice(name string) bool {
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch base = strings.TrimRight(base, " "); base {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	port := strings.HasPrefix(base, "COM") || strings.HasPrefix(base, "LPT")
	return port && len(base) == 4 && base[3] >= '1' && base[3] <= '9'
}

// foldCase maps names that FAT takes for the same to one string. Only characters of one UTF-16 unit have a case.
func foldCase(name string) string {
	return strings.Map(func(r rune) rune {
		if upper := unicode.ToUpper(r); r <= 0xffff && upper <= 0xffff {
			return upper
		}
		return r
	}, name)
}

// encodeLabel returns a volume label as boot sector and root directory hold it.
func encodeLabel(label string) (b [11]byte, err error) {
	if len(label) > len(b) {
		return b, fmt.Errorf("FAT32 label %q is longer than %d bytes", label, len(b))
	}
	for _, r := range label {
		if r < ' ' || r > '~' || strings.ContainsRune(illegal+"+,;=[].", r) {
			return b, fmt.Errorf("FAT32 label %q contains %q, which is not allowed", label, r)
		}
	}
	if label == "" {
		label = "NO NAME"
	}
	copy(b[:], fmt.Sprintf("%-11s", label))
	return b, nil
}
