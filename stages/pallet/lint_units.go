package pallet

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// enablement looks at links by which units are enabled. Their target is a unit of systemd's directories.
func (l *linter) enablement(e export, target string) {
	if !enables(e.Target) {
		return
	}
	l.links[path.Base(e.Target)], l.links[path.Base(target)] = true, true
	full := path.Join("/", path.Dir(strings.TrimPrefix(e.Target, "overlays")), target)
	if path.IsAbs(target) {
		full = target
	}
	if !slices.Contains(unitDirs, path.Dir(full)) {
		l.warn(e.place("target"), "the link %s leads to %s, where systemd has no units (a link tells systemd the name alone, "+
			"so that it may work all the same)", e.Target, full)
	}
}

// enables tells whether an export is in a directory whose links enable units.
func enables(target string) bool {
	dir := path.Dir(target)
	return strings.Contains(dir, "systemd/") && (strings.HasSuffix(dir, ".wants") || strings.HasSuffix(dir, ".requires"))
}

// unitDirs is where systemd has its units.
var unitDirs = []string{"/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system", "/run/systemd/system"}

func isUnit(target string) bool {
	return strings.Contains(target, "systemd/system/") &&
		slices.Contains([]string{".service", ".target", ".socket", ".timer", ".mount", ".path", ".conf"}, path.Ext(target))
}

// What is looked at in a unit.
var (
	unitNames  = regexp.MustCompile(`(?m)^(?:After|Before|Wants|Requires|BindsTo|PartOf|Requisite)=(.*)$`)
	bringsUp   = regexp.MustCompile(`(?m)^(?:Wants|Requires|BindsTo|Upholds|Unit|Service|OnFailure|OnSuccess)=(.*)$`)
	installed  = regexp.MustCompile(`(?m)^(?:WantedBy|RequiredBy|UpheldBy)=(.*)$`)
	executable = regexp.MustCompile(`(?m)^Exec[A-Za-z]+=[-@:+!|]*(/[^ \t\r\n]+)`)
)

// exportedUnit is a unit that a stage brings.
type exportedUnit struct {
	name    string // of the unit
	file    string // where its content lies
	content string
}

// mistyped has names of units that do not exist, and those that are meant.
var mistyped = map[string]string{
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
		l.errs = append(l.errs, fmt.Errorf("read %s: %w", located(root, name), pathless(err)))
		return
	}
	for _, m := range unitNames.FindAllStringSubmatchIndex(content, -1) {
		for unit := range strings.FieldsSeq(content[m[2]:m[3]]) {
			if meant, ok := mistyped[unit]; ok {
				u := exportedUnit{file: located(root, name), content: content}
				l.warn(u.place(m[0]), "there is no unit %s; it is %s", unit, meant)
			}
		}
	}
	for _, m := range bringsUp.FindAllStringSubmatch(content, -1) {
		for unit := range strings.FieldsSeq(m[1]) {
			l.links[unit] = true
		}
	}
	l.units = append(l.units, exportedUnit{path.Base(e.Target), located(root, name), content})
}

// place is the line of an offset in a unit.
func (u exportedUnit) place(offset int) string {
	return fmt.Sprintf("%s:%d:1", u.file, 1+strings.Count(u.content[:offset], "\n"))
}

// finishUnits looks at units together with all else that is exported: links say which of them start, since nobody runs
// systemctl enable, and what they run must be executable.
func (l *linter) finishUnits() {
	for _, u := range l.units {
		if m := installed.FindStringSubmatchIndex(u.content); m != nil && !l.started(u.name) {
			l.warn(u.place(m[0]), "unit %s is to be wanted by %s, and no export is a link in a directory %s.wants: it does not start",
				u.name, strings.TrimSpace(u.content[m[2]:m[3]]), strings.Fields(u.content[m[2]:m[3]] + " x")[0])
		}
		for _, m := range executable.FindAllStringSubmatchIndex(u.content, -1) {
			program := u.content[m[2]:m[3]]
			if mode, ok := l.modes["overlays"+program]; ok && mode&0o111 == 0 {
				l.warn(u.place(m[0]), "unit %s runs %s, which is exported with the permissions %04o: nobody may execute it",
					u.name, program, mode)
			}
		}
	}
}

// started tells whether a unit, or an instance of it, is enabled or brought up by another one, or by a timer, socket or
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
