package device

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/paths"
	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Warning is an override (a file that the user changed) that can keep the device from booting, with the reason.
type Warning struct {
	Path string `json:"path"`
	Text string `json:"text"` // what is wrong, and the way out
}

// String returns the warning in one line, with the path of the override.
func (w Warning) String() string { return w.Path + ": " + w.Text }

// essential are files without which no boot reaches a login, as patterns relative to the directory of an overlay.
var essential = map[string][]string{
	"/usr": {
		"lib/systemd/systemd", "sbin/init", "bin/sh", "bin/dash", "bin/bash", "bin/systemctl", "bin/mount", "bin/login",
		"lib/*/libc.so.6", "lib/*/ld-linux-*.so.*", "lib/ld-linux-*.so.*", "lib/*/libsystemd.so.*", "lib/*/systemd/libsystemd-*.so",
		"lib/systemd/system/default.target", "lib/systemd/system/sysinit.target", "lib/systemd/system/basic.target",
		"lib/pkinit/pkinit", "bin/pkctl", "lib/modules/*/modules.dep",
	},
	"/etc": {"passwd", "shadow", "group", "fstab"},
}

// CheckOverrides returns a warning for each override (a file that the user changed) that can keep the device from
// booting: a deleted or broken essential file, one that cannot be read, or a line of fstab that waits for an absent
// disk.
func (d Device) CheckOverrides() ([]Warning, error) {
	boot, err := d.BootReport()
	if err != nil {
		return nil, err
	}
	all, err := d.overrides(boot)
	if err != nil {
		return nil, err
	}
	warnings := []Warning{}
	for _, o := range boot.Overlays {
		found, err := checkEssential(o, all)
		if err != nil {
			return nil, err
		}
		foreign, err := override.ForeignFiles(o.Upperdir)
		for _, f := range foreign {
			name, _, _ := strings.Cut(f, " (")
			found = append(found, Warning{path.Join(o.Target, name), "cannot be read: another kernel has written it with other " +
				"options of overlayfs; pkctl override revert removes it"})
		}
		if err != nil {
			return nil, err
		}
		if o.Target == "/etc" {
			found = append(found, d.checkFstab(o)...)
		}
		warnings = append(warnings, found...)
	}
	return warnings, nil
}

// checkEssential warns of essential files of the lower layers of an overlay that overrides delete or break.
func checkEssential(o report.Overlay, all []Override) ([]Warning, error) {
	var warnings []Warning
	seen := map[string]bool{}
	for _, lower := range o.Lowerdirs {
		for _, pattern := range essential[o.Target] {
			names, err := filepath.Glob(filepath.Join(lower, pattern))
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				rel, err := filepath.Rel(lower, name)
				if err != nil {
					return nil, err
				}
				if text := brokenBy(o, all, rel); text != "" && !seen[rel] {
					warnings = append(warnings, Warning{path.Join(o.Target, rel), text})
				}
				seen[rel] = true
			}
		}
	}
	return warnings, nil
}

// brokenBy returns how overrides break a file of an overlay, with the way out; "" if they do not.
func brokenBy(o report.Overlay, all []Override, rel string) string {
	full := path.Join(o.Target, rel)
	for _, c := range all {
		if !paths.Within(full, c.Path) {
			continue
		}
		_, missing := os.Lstat(filepath.Join(o.Upperdir, rel))
		switch {
		case c.Change == override.Deleted, c.Change == override.Replaced && missing != nil:
			return fmt.Sprintf("is deleted, and the device needs it to boot; pkctl override revert %s", c.Path)
		case c.Path == full && c.Change == override.Changed && broken(c.mine, c.below):
			return fmt.Sprintf("is no program any more, and the device needs it to boot; pkctl override revert %s", c.Path)
		}
	}
	return ""
}

// elf is the beginning of a program or library.
var elf = []byte("\x7fELF")

// broken reports whether a file is no program or library while the one that it hides is.
func broken(mine, below string) bool { return startsWith(below, elf) && !startsWith(mine, elf) }

func startsWith(name string, magic []byte) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(magic))
	_, err = f.Read(head)
	return err == nil && bytes.Equal(head, magic)
}

// checkFstab warns of lines of the user's fstab that make a boot wait for a device that is absent.
func (d Device) checkFstab(o report.Overlay) []Warning {
	data, err := os.ReadFile(filepath.Join(o.Upperdir, "fstab"))
	if err != nil {
		return nil // the user has none
	}
	var warnings []Warning
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		options := strings.Split(fields[3], ",")
		if slices.Contains(options, "nofail") || slices.Contains(options, "noauto") {
			continue
		}
		if device := devicePath(fields[0]); device != "" && absent(filepath.Join(d.Root, device)) {
			warnings = append(warnings, Warning{path.Join(o.Target, "fstab"), fmt.Sprintf("line %d makes each boot wait for %s, which "+
				"is absent, and then end in emergency mode; add nofail to its options", n, fields[0])})
		}
	}
	return warnings
}

// devicePath returns the path of the device that the first field of a line in fstab names; "" if it names none.
func devicePath(spec string) string {
	tag, value, tagged := strings.Cut(spec, "=")
	switch {
	case strings.HasPrefix(spec, "/dev/"):
		return spec
	case tagged && slices.Contains([]string{"UUID", "LABEL", "PARTUUID", "PARTLABEL"}, tag):
		return path.Join("/dev/disk/by-"+strings.ToLower(tag), strings.Trim(value, `"`))
	}
	return ""
}

func absent(name string) bool {
	_, err := os.Stat(name)
	return errors.Is(err, fs.ErrNotExist)
}

// ChangedOverrides returns the paths of the overrides (the user's changed files) that changed since the last good
// verdict; none if there was no such verdict.
func (d Device) ChangedOverrides() ([]string, error) {
	good, err := read(d, override.GoodFile, override.ParseGood)
	if err != nil || good == nil {
		return nil, err
	}
	files, err := override.ListFiles(filepath.Join(d.State, "overrides"))
	if err != nil {
		return nil, fmt.Errorf("list overrides: %w", d.stateError(err))
	}
	var changed []string
	for _, name := range files.ChangedSince(good) {
		changed = append(changed, "/"+name)
	}
	for name := range good {
		if _, there := files[name]; !there {
			changed = append(changed, "/"+name)
		}
	}
	slices.Sort(changed)
	return changed, nil
}

// SuspectOverrides returns a sentence that names the overrides (the user's changed files) which changed since the last
// good verdict, as a reason for a failed one; "" if none did.
func (d Device) SuspectOverrides() string {
	changed, err := d.ChangedOverrides()
	d.warn(err)
	if len(changed) == 0 {
		return ""
	}
	return "changed by the user since the last good boot: " + List(changed)
}
