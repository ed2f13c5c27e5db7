package builder

import (
	"fmt"
	"maps"
	"slices"

	units "github.com/dustin/go-humanize"

	"github.com/PlanktoScope/pkbuild/layers/debian"
)

// Change is what an update of a lock would do to one of its parts.
type Change struct {
	Kind string `json:"kind"` // "package", "tool", "pallet", "download" or "image" of a container
	Name string `json:"name"`
	Old  string `json:"old,omitempty"` // version, commit or beginning of a digest; empty: it is added
	New  string `json:"new,omitempty"` // likewise; empty: it is removed
	// OldSize and NewSize are those of the download, in bytes.
	OldSize int64 `json:"old_size,omitempty"`
	NewSize int64 `json:"new_size,omitempty"`
}

// Verb is what happens: "added", "removed" or "changed".
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

// versioned tells whether what was added or removed has a version that says something.
func (c Change) versioned() bool { return c.Kind == "package" || c.Kind == "tool" || c.Kind == "image" }

// Delta shows a difference of sizes, such as "+1.2 MiB".
func Delta(bytes int64) string {
	if bytes < 0 {
		return "-" + units.IBytes(uint64(-bytes))
	}
	return "+" + units.IBytes(uint64(bytes))
}

// Diff lists what must change in a lock, which may be nil, to become another: packages, tools, pallets, downloads,
// container images, each in alphabetical order.
func (l *Lock) Diff(other *Lock) []Change {
	if l == nil {
		l = &Lock{}
	}
	return slices.Concat(
		diff("package", l.Packages(), other.Packages(), packageLine),
		diff("tool", l.Debian.Tools, other.Debian.Tools, packageLine),
		diff("pallet", l.Pallets, other.Pallets, LockedPallet.line),
		diff("download", l.Downloads, other.Downloads, LockedDownload.line),
		diff("image", l.Images, other.Images, LockedImage.line),
	)
}

// Packages are those of all layers.
func (l *Lock) Packages() []debian.Package {
	return slices.Concat(append([][]debian.Package{l.Debian.Packages}, l.Over...)...)
}

// lockLine is what a lock says of one thing.
type lockLine struct {
	name, version string // for people
	content       string // differs if anything does
	size          int64
}

func packageLine(p debian.Package) lockLine {
	return lockLine{name: p.Name, version: p.Version, content: p.SHA256, size: p.Size}
}

func (p LockedPallet) line() lockLine {
	return lockLine{name: p.Path, version: p.version(), content: p.SHA256 + " " + p.Commit}
}

func (d LockedDownload) line() lockLine {
	return lockLine{name: d.Type + " " + d.URL, version: short(d.SHA256), content: d.SHA256}
}

func (i LockedImage) line() lockLine {
	return lockLine{name: i.Name, version: i.short(), content: i.Digest.String()}
}

// diff lists what became of things of a kind, in alphabetical order.
func diff[T any](kind string, before, after []T, of func(T) lockLine) []Change {
	changes, same := map[string]*Change{}, map[string]string{}
	for _, thing := range before {
		l := of(thing)
		changes[l.name] = &Change{Kind: kind, Name: l.name, Old: l.version, OldSize: l.size}
		same[l.name] = l.content
	}
	for _, thing := range after {
		l := of(thing)
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

// version is the commit, or the beginning of the digest.
func (p LockedPallet) version() string {
	if p.Commit != "" {
		return p.Commit
	}
	return short(p.SHA256)
}

// short is the beginning of a digest.
func short(digest string) string { return digest[:min(12, len(digest))] }
