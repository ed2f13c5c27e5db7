package lock

import (
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/debian"
)

// Lock pins everything that a build downloads: packages, pallets, their downloads, and container images. Its file is
// meant to be committed beside the recipe.
type Lock struct {
	// For is what the recipe asked for when it was locked, such as "package vim", one line each.
	For    []string
	Debian debian.Lock
	// Over are the packages of the install layers, the lowest first.
	Over    [][]debian.Package
	Pallets []Pallet
	// Downloads are the downloads of pallets that the pallets do not pin by a checksum.
	Downloads []Download
	Images    []Image // container images, by name
}

// Request lists what a recipe requests at present: packages, pallets and container images. Lock.Check compares a lock
// with it.
type Request struct {
	For     []string // as Lock.For
	Pallets []Pallet
	Images  []string // full names of container images
}

// StaleError is the error for a lock that does not match its recipe any more, with what changed since it was made.
type StaleError struct {
	Changes []string // since the lock was made, such as "package vim was added"
}

func (e *StaleError) Error() string { return "lock is out of date: " + strings.Join(e.Changes, ", ") }

// Check compares the lock with what the recipe requests now and returns a StaleError if they differ. It does not
// compare downloads of pallets.
func (l *Lock) Check(r Request) error {
	var images []string
	for _, i := range l.Images {
		images = append(images, i.Name)
	}
	changes := slices.Concat(changed("", l.For, r.For), changed("container image ", images, r.Images))
	for _, c := range diff("pallet", l.Pallets, r.Pallets, Pallet.line) {
		changes = append(changes, c.String())
	}
	if len(changes) > 0 {
		return &StaleError{changes}
	}
	return nil
}

// changed lists the additions and removals between two lists.
func changed(kind string, before, after []string) []string {
	var out []string
	for _, name := range after {
		if !slices.Contains(before, name) {
			out = append(out, kind+name+" was added")
		}
	}
	for _, name := range before {
		if !slices.Contains(after, name) {
			out = append(out, kind+name+" was removed")
		}
	}
	return out
}

// Packages returns the pinned Debian packages: those of the base, then those of each install layer.
func (l *Lock) Packages() []debian.Package {
	return slices.Concat(append([][]debian.Package{l.Debian.Packages}, l.Over...)...)
}

// Pallet is a pallet (a directory that says what a device runs) by its path, with its SHA-256 and Git commit when the
// recipe was locked.
type Pallet struct {
	Path   string // relative to the recipe
	SHA256 string // over the names, modes and contents of all files, in hexadecimal
	Commit string // empty unless the directory is an unchanged Git checkout
}

// version is the commit, or the beginning of the digest.
func (p Pallet) version() string {
	if p.Commit != "" {
		return p.Commit
	}
	return short(p.SHA256)
}
