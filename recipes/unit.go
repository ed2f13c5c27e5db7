package recipes

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// unitSections are the types of units, with the section that a unit of that type must have, if any.
var unitSections = map[string]string{
	"service": "Service", "socket": "Socket", "timer": "", "path": "Path", "mount": "Mount", "automount": "Automount",
	"swap": "Swap", "target": "", "slice": "", "device": "", "scope": "",
}

var unitName = regexp.MustCompile(`^[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]*)?$`)

// checkUnitName checks the name of a unit, with its type.
func checkUnitName(name string) error {
	kind := strings.TrimPrefix(path.Ext(name), ".")
	if _, known := unitSections[kind]; !known {
		return fmt.Errorf("unit %s has no type that systemd knows; end its name with .service, .timer, .socket or another type", quote(name))
	}
	if !unitName.MatchString(strings.TrimSuffix(name, "."+kind)) || len(name) > 255 {
		return fmt.Errorf("unit name %s is invalid; write letters, digits and :_.-", quote(name))
	}
	return nil
}

var (
	unitSection = regexp.MustCompile(`^\[[A-Za-z0-9-]+\]$`)
	unitSetting = regexp.MustCompile(`^[A-Za-z0-9-]+[ \t]*=`)
)

// checkUnit checks the name and the syntax of a unit or of a drop-in.
func checkUnit(target, content string) error {
	name := path.Base(target)
	dropIn := strings.HasSuffix(path.Dir(target), ".d")
	if dropIn {
		if path.Ext(name) != ".conf" {
			return nil // systemd ignores it
		}
	} else if err := checkUnitName(name); err != nil {
		return err
	}
	if content == "" {
		return nil // masks the unit
	}
	if err := checkUnitLines(content); err != nil {
		return fmt.Errorf("unit %s: %w", name, err)
	}
	kind := strings.TrimPrefix(path.Ext(name), ".")
	if section := unitSections[kind]; !dropIn && section != "" && !strings.Contains(content, "["+section+"]") {
		return fmt.Errorf("unit %s: section [%s] is missing", name, section)
	}
	if err := checkPorts(content, listenPort); err != nil {
		return fmt.Errorf("unit %s: %w", name, err)
	}
	return checkCalendar(name, content)
}

// checkUnitLines checks that each line is a section, a setting or a comment.
func checkUnitLines(content string) error {
	number, section, continued := 0, false, false
	for line := range strings.Lines(content) {
		number++
		line = strings.TrimRight(line, "\r\n \t")
		trimmed := strings.TrimLeft(line, " \t")
		comment := trimmed == "" || strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";")
		switch {
		case continued && comment:
			continue
		case continued, comment:
		case unitSection.MatchString(trimmed):
			section = true
		case !unitSetting.MatchString(trimmed):
			return fmt.Errorf("line %d of the unit, %s, is not a section, a setting or a comment", number, quote(trimmed))
		case !section:
			return fmt.Errorf("line %d of the unit, %s, is in no section; write one such as [Unit] above it", number, quote(trimmed))
		}
		continued = strings.HasSuffix(line, `\`)
	}
	return nil
}

var (
	calendarSetting = regexp.MustCompile(`(?m)^OnCalendar=(.*?)\s*$`)
	clockTime       = regexp.MustCompile(`(\d+):(\d+)(?::(\d+))?`)
)

// checkCalendar checks the clock times of a timer's OnCalendar settings.
func checkCalendar(name, content string) error {
	for _, m := range calendarSetting.FindAllStringSubmatch(content, -1) {
		for _, clock := range clockTime.FindAllStringSubmatch(m[1], -1) {
			for i, limit := range []int{24, 60, 60} {
				if n, err := strconv.Atoi(clock[i+1]); clock[i+1] != "" && (err != nil || n >= limit) {
					return fmt.Errorf("unit %s: OnCalendar=%s is not a time; hours go to 23, minutes and seconds to 59", name, m[1])
				}
			}
		}
	}
	return nil
}
