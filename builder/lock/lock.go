package lock

import (
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/debian"
)

// Lock pins the parts of an image that do not lie beside its recipe. Its file is meant to be committed and compared.
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

// Request is what a recipe asks for now, for comparison with its lock.
type Request struct {
	For     []string // as Lock.For
	Pallets []Pallet
	Images  []string // full names of container images
}

// StaleError is returned for a lock that was made for another recipe, or for an earlier state of it.
type StaleError struct {
	Changes []string // since the lock was made, such as "package vim was added"
}

func (e *StaleError) Error() string { return "lock is out of date: " + strings.Join(e.Changes, ", ") }

// Check returns a StaleError unless the lock was made for the request. It does not look at downloads.
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

// Packages returns the packages of all layers.
func (l *Lock) Packages() []debian.Package {
	return slices.Concat(append([][]debian.Package{l.Debian.Packages}, l.Over...)...)
}

// Pallet is a pallet at the time of locking.
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
