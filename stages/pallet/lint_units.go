package pallet

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// enablement checks a link that enables a unit: its target should be in one of systemd's unit directories.
func (l *linter) enablement(e export, target string) {
	if !isEnablement(e.Target) {
		return
	}
	l.links[path.Base(e.Target)], l.links[path.Base(target)] = true, true
	full := path.Join("/", path.Dir(strings.TrimPrefix(e.Target, "overlays")), target)
	if path.IsAbs(target) {
		full = target
	}
	if !slices.Contains(unitDirs, path.Dir(full)) {
		l.warn(e.position("target"), "link %s has the target %s, which is in no unit directory of systemd (systemd uses the "+
			"link's name only, so the link may still work)", e.Target, full)
	}
}

// isEnablement reports whether an export is in a .wants or .requires directory, whose links enable units.
func isEnablement(target string) bool {
	dir := path.Dir(target)
	return strings.Contains(dir, "systemd/") && (strings.HasSuffix(dir, ".wants") || strings.HasSuffix(dir, ".requires"))
}

// unitDirs are systemd's unit directories.
var unitDirs = []string{"/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system", "/run/systemd/system"}

func isUnit(target string) bool {
	return strings.Contains(target, "systemd/system/") &&
		slices.Contains([]string{".service", ".target", ".socket", ".timer", ".mount", ".path", ".conf"}, path.Ext(target))
}

// Settings of units that are checked.
var (
	unitNames   = regexp.MustCompile(`(?m)^(?:After|Before|Wants|Requires|BindsTo|PartOf|Requisite)=(.*)$`)
	startsUnits = regexp.MustCompile(`(?m)^(?:Wants|Requires|BindsTo|Upholds|Unit|Service|OnFailure|OnSuccess)=(.*)$`)
	installed   = regexp.MustCompile(`(?m)^(?:WantedBy|RequiredBy|UpheldBy)=(.*)$`)
	executable  = regexp.MustCompile(`(?m)^Exec[A-Za-z]+=[-@:+!|]*(/[^ \t\r\n]+)`)
)

// exportedUnit is a unit among the exports.
type exportedUnit struct {
	name    string // of the unit
	file    string // path of its source
	content string
}

// unitTypos maps names of units that do not exist to the ones that are meant.
var unitTypos = map[string]string{
	"network-pre.service":    "network-pre.target",
	"network.service":        "network.target",
	"network-online.service": "network-online.target",
	"multi-user.service":     "multi-user.target",
	"local-fs.service":       "local-fs.target",
	"sysinit.service":        "sysinit.target",
	"basic.service":          "basic.target",
	"time-sync.service":      "time-sync.target",
	"docker.target":          "docker.service",
}

func (l *linter) unit(e export, root *os.Root, name string) {
	content, err := readLimited(root.FS(), name, maxSize)
	if err != nil {
		l.errs = append(l.errs, fmt.Errorf("read %s: %w", fullPath(root, name), withoutPath(err)))
		return
	}
	for _, m := range unitNames.FindAllStringSubmatchIndex(content, -1) {
		for unit := range strings.FieldsSeq(content[m[2]:m[3]]) {
			if meant, ok := unitTypos[unit]; ok {
				u := exportedUnit{file: fullPath(root, name), content: content}
				l.warn(u.position(m[0]), "unit %s does not exist; did you mean %s?", unit, meant)
			}
		}
	}
	for _, m := range startsUnits.FindAllStringSubmatch(content, -1) {
		for unit := range strings.FieldsSeq(m[1]) {
			l.links[unit] = true
		}
	}
	l.units = append(l.units, exportedUnit{path.Base(e.Target), fullPath(root, name), content})
}

// position returns file:line:1 of an offset in a unit.
func (u exportedUnit) position(offset int) string {
	return fmt.Sprintf("%s:%d:1", u.file, 1+strings.Count(u.content[:offset], "\n"))
}

// checkUnits checks units against all other exports: a unit with an [Install] section needs an exported link, since
// systemctl enable is not run, and an exported program that a unit runs must be executable.
func (l *linter) checkUnits() {
	for _, u := range l.units {
		if m := installed.FindStringSubmatchIndex(u.content); m != nil && !l.started(u.name) {
			l.warn(u.position(m[0]), "unit %s is never started: it is wanted by %s, but no export is a link to it in %s.wants",
				u.name, strings.TrimSpace(u.content[m[2]:m[3]]), strings.Fields(u.content[m[2]:m[3]] + " x")[0])
		}
		for _, m := range executable.FindAllStringSubmatchIndex(u.content, -1) {
			program := u.content[m[2]:m[3]]
			if mode, ok := l.modes["overlays"+program]; ok && mode&0o111 == 0 {
				l.warn(u.position(m[0]), "unit %s runs %s, which is not executable: its permissions are %04o",
					u.name, program, mode)
			}
		}
	}
}

// started reports whether a unit or an instance of it is enabled, or started by another unit or by a timer, socket or
// path of its name.
func (l *linter) started(name string) bool {
	stem, kind := strings.TrimSuffix(name, path.Ext(name)), path.Ext(name)
	for link := range l.links {
		if link == name || strings.HasSuffix(stem, "@") && strings.HasPrefix(link, stem) && strings.HasSuffix(link, kind) {
			return true
		}
	}
	return kind == ".service" && (l.links[stem+".timer"] || l.links[stem+".socket"] || l.links[stem+".path"])
}
