package firmware

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// maxAutoboot is the number of bytes of autoboot.txt that the bootloader reads.
const maxAutoboot = 512

// autoboot holds the properties of autoboot.txt.
type autoboot struct {
	partition int  // boot_partition; 0: none
	slots     bool // tryboot_a_b: a boot with the tryboot flag reads config.txt
	warnings  []string
}

// readAutoboot reads autoboot.txt, whose only filters are [all], [none] and [tryboot].
func readAutoboot(data []byte, tryboot bool) (a autoboot) {
	warn := func(format string, args ...any) { a.warnings = append(a.warnings, fmt.Sprintf(format, args...)) }
	if len(data) > maxAutoboot {
		warn("autoboot.txt is longer than %d bytes: the firmware ignores the rest", maxAutoboot)
		data = data[:maxAutoboot]
	}
	open, n := true, 0
	for raw := range bytes.Lines(data) {
		n++
		line := strings.TrimSpace(string(raw))
		if line == "" || line[0] == '#' {
			continue
		}
		switch line {
		case "[all]":
			open = true
			continue
		case "[none]":
			open = false
			continue
		case "[tryboot]":
			open = tryboot
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		number, err := strconv.ParseUint(value, 0, 8)
		switch {
		case line[0] == '[':
			warn("autoboot.txt:%d: unknown filter %q does not match", n, line)
			open = false
		case key != "boot_partition" && key != "tryboot_a_b" || err != nil:
			warn("autoboot.txt:%d: %q is not boot_partition=N or tryboot_a_b=1", n, line)
		case !open:
		case key == "boot_partition":
			a.partition = int(number)
		default:
			a.slots = number != 0
		}
	}
	return a
}
