package lock

import (
	"fmt"
	"maps"
	"slices"

	units "github.com/dustin/go-humanize"

	"github.com/PlanktoScope/pkbuild/layers/debian"
)

// Change is one difference between two locks: a package, tool, pallet, download or image with its old and new version.
type Change struct {
	Kind string `json:"kind"` // "package", "tool", "pallet", "download" or "image"
	Name string `json:"name"`
	Old  string `json:"old,omitempty"` // version, commit or abbreviated digest; empty for an addition
	New  string `json:"new,omitempty"` // likewise; empty for a removal
	// OldSize and NewSize are the sizes of the package files, in bytes.
	OldSize int64 `json:"old_size,omitempty"`
	NewSize int64 `json:"new_size,omitempty"`
}

// Verb returns "added", "removed" or "changed", as the change has no old value, no new value, or both.
func (c Change) Verb() string {
	switch {
	case c.Old == "":
		return "added"
	case c.New == "":
		return "removed"
	}
	return "changed"
}

// String is a line such as "package openssl: 3.5.1-1 → 3.5.4-1, +12 KiB".
func (c Change) String() string {
	line := fmt.Sprintf("%s %s: ", c.Kind, c.Name)
	switch {
	case c.Old == "":
		line += "added"
		if c.versioned() {
			line += " " + c.New
		}
	case c.New == "":
		line += "removed"
		if c.versioned() {
			line += " " + c.Old
		}
	case c.Old == c.New:
		line += c.Old + ", its content differs"
	default:
		line += c.Old + " → " + c.New
	}
	if delta := c.NewSize - c.OldSize; delta != 0 {
		line += ", " + Delta(delta)
	}
	return line
}

// versioned reports whether an addition or removal is shown with its version.
func (c Change) versioned() bool { return c.Kind == "package" || c.Kind == "tool" || c.Kind == "image" }

// Delta formats a difference of sizes, such as "+1.2 MiB".
func Delta(bytes int64) string {
	if bytes < 0 {
		return "-" + units.IBytes(uint64(-bytes))
	}
	return "+" + units.IBytes(uint64(bytes))
}

// Diff lists the changes from l to other: packages, tools, pallets, downloads and container images, each in alphabetical
// order. If l is nil, everything in other is an addition.
func (l *Lock) Diff(other *Lock) []Change {
	if l == nil {
		l = &Lock{}
	}
	return slices.Concat(
		diff("package", l.Packages(), other.Packages(), packageLine),
		diff("tool", l.Debian.Tools, other.Debian.Tools, packageLine),
		diff("pallet", l.Pallets, other.Pallets, Pallet.line),
		diff("download", l.Downloads, other.Downloads, Download.line),
		diff("image", l.Images, other.Images, Image.line),
	)
}

// summary is one entry of a lock, prepared for comparison.
type summary struct {
	name, version string // for people
	content       string // identifies the content
	size          int64  // in bytes
}

func packageLine(p debian.Package) summary {
	return summary{name: p.Name, version: p.Version, content: p.SHA256, size: p.Size}
}

func (p Pallet) line() summary {
	return summary{name: p.Path, version: p.version(), content: p.SHA256 + " " + p.Commit}
}

func (d Download) line() summary {
	return summary{name: d.Type + " " + d.URL, version: short(d.SHA256), content: d.SHA256}
}

func (i Image) line() summary {
	return summary{name: i.Name, version: short(i.Digest.Encoded()), content: i.Digest.String()}
}

// diff lists the changes between two lists of one kind, in alphabetical order.
func diff[T any](kind string, before, after []T, lineOf func(T) summary) []Change {
	changes, same := map[string]*Change{}, map[string]string{}
	for _, entry := range before {
		l := lineOf(entry)
		changes[l.name] = &Change{Kind: kind, Name: l.name, Old: l.version, OldSize: l.size}
		same[l.name] = l.content
	}
	for _, entry := range after {
		l := lineOf(entry)
		if same[l.name] == l.content {
			delete(changes, l.name)
			continue
		}
		if changes[l.name] == nil {
			changes[l.name] = &Change{Kind: kind, Name: l.name}
		}
		changes[l.name].New, changes[l.name].NewSize = l.version, l.size
	}
	var out []Change
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		out = append(out, *changes[name])
	}
	return out
}

// short abbreviates a digest.
func short(digest string) string { return digest[:min(12, len(digest))] }
