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
	dir := path.Base(path.Dir(e.Target))
	if !strings.HasSuffix(dir, ".wants") && !strings.HasSuffix(dir, ".requires") {
		return
	}
	full := path.Join("/", path.Dir(strings.TrimPrefix(e.Target, "overlays")), target)
	if path.IsAbs(target) {
		full = target
	}
	if !slices.Contains(unitDirs, path.Dir(full)) {
		l.warn(e.place("target"), "the link %s leads to %s, where systemd has no units (a link tells systemd the name alone, "+
			"so that it may work all the same)", e.Target, full)
	}
}

// unitDirs is where systemd has its units.
var unitDirs = []string{"/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system", "/run/systemd/system"}

func isUnit(target string) bool {
	return strings.Contains(target, "systemd/system/") &&
		slices.Contains([]string{".service", ".target", ".socket", ".timer", ".mount", ".path", ".conf"}, path.Ext(target))
}

// unitNames is what follows an ordering or a requirement.
var unitNames = regexp.MustCompile(`(?m)^(?:After|Before|Wants|Requires|BindsTo|PartOf|Requisite)=(.*)$`)

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
				line := 1 + strings.Count(content[:m[0]], "\n")
				l.warn(fmt.Sprintf("%s:%d:1", located(root, name), line), "there is no unit %s; it is %s", unit, meant)
			}
		}
	}
}
