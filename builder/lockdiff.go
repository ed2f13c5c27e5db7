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
		diffPackages("package", l.Packages(), other.Packages()),
		diffPackages("tool", l.Debian.Tools, other.Debian.Tools),
		diffPallets(l.Pallets, other.Pallets),
		diffDownloads(l.Downloads, other.Downloads),
		diffImages(l.Images, other.Images),
	)
}

// Packages are those of all layers.
func (l *Lock) Packages() []debian.Package {
	return slices.Concat(append([][]debian.Package{l.Debian.Packages}, l.Over...)...)
}

func diffPackages(kind string, before, after []debian.Package) []Change {
	changes := map[string]*Change{}
	same := map[string]string{} // digests by name
	for _, p := range before {
		changes[p.Name] = &Change{Kind: kind, Name: p.Name, Old: p.Version, OldSize: p.Size}
		same[p.Name] = p.SHA256
	}
	for _, p := range after {
		if same[p.Name] == p.SHA256 {
			delete(changes, p.Name)
			continue
		}
		if changes[p.Name] == nil {
			changes[p.Name] = &Change{Kind: kind, Name: p.Name}
		}
		changes[p.Name].New, changes[p.Name].NewSize = p.Version, p.Size
	}
	return inOrder(changes)
}

func diffPallets(before, after []LockedPallet) []Change {
	changes := map[string]*Change{}
	same := map[string]LockedPallet{}
	for _, p := range before {
		changes[p.Path] = &Change{Kind: "pallet", Name: p.Path, Old: p.version()}
		same[p.Path] = p
	}
	for _, p := range after {
		if same[p.Path] == p {
			delete(changes, p.Path)
			continue
		}
		if changes[p.Path] == nil {
			changes[p.Path] = &Change{Kind: "pallet", Name: p.Path}
		}
		changes[p.Path].New = p.version()
	}
	return inOrder(changes)
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

func diffDownloads(before, after []LockedDownload) []Change {
	changes := map[string]*Change{}
	name := func(d LockedDownload) string { return d.Type + " " + d.URL }
	for _, d := range before {
		changes[name(d)] = &Change{Kind: "download", Name: name(d), Old: short(d.SHA256)}
	}
	for _, d := range after {
		if slices.Contains(before, d) {
			delete(changes, name(d))
			continue
		}
		if changes[name(d)] == nil {
			changes[name(d)] = &Change{Kind: "download", Name: name(d)}
		}
		changes[name(d)].New = short(d.SHA256)
	}
	return inOrder(changes)
}

func inOrder(changes map[string]*Change) []Change {
	var out []Change
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		out = append(out, *changes[name])
	}
	return out
}
