package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/layers/tree"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// Lock pins what an image is made of besides the files beside its recipe, so that building it resolves nothing. Its
// text, which is made by Format, is meant to be committed and compared.
type Lock struct {
	// For is what was asked for, one line each: a lock fits a recipe that asks for the same.
	For    []string    `json:"for"`
	Debian debian.Lock `json:"debian"`
	// Over are the packages of the layers over that one, the lowest first.
	Over    [][]debian.Package `json:"over,omitempty"`
	Pallets []LockedPallet     `json:"pallets"`
	// Downloads are those of the pallets that these do not pin themselves.
	Downloads []LockedDownload `json:"downloads,omitempty"`
	Images    []LockedImage    `json:"images,omitempty"` // of containers, by name
}

// LockedPallet is a pallet as it was when the lock was made.
type LockedPallet struct {
	Path   string `json:"path"`   // relative to the recipe
	SHA256 string `json:"sha256"` // over the names, modes and contents of all its files
	Commit string `json:"commit,omitempty"`
}

// LockName is the name of a recipe's lock file.
func LockName(recipe string) string { return recipe + ".lock" }

// Resolve makes the lock of a recipe, with the newest packages of its repositories, and what the names of container
// images stand for now. Of the options it takes the cache, the mirror and who is told of the progress.
func Resolve(ctx context.Context, r *recipes.Recipe, o Options) (lock *Lock, err error) {
	done, err := Cache{o.Cache}.use(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	stack, err := packageLayers(r, nil)
	if err != nil {
		return nil, err
	}
	if len(stack) == 0 {
		return nil, fmt.Errorf("there is nothing to lock: %s has no packages", r.Name)
	}
	env := &layers.Env{Dir: r.Dir, Cache: o.Cache, Mirror: o.Mirror}
	var below *tree.Tree
	if image := r.Base.Image; image != nil {
		if below, err = vendorImage(*image).Make(ctx, env, nil); err != nil {
			return nil, err
		}
	}
	pins, err := debian.Resolve(ctx, env, below, stack...)
	if err != nil {
		return nil, err
	}
	lock = &Lock{For: wanted(stack), Debian: pins[0]}
	for _, over := range pins[1:] {
		lock.Over = append(lock.Over, over.Packages)
	}
	if lock.Pallets, err = lockedPallets(r); err != nil {
		return nil, err
	}
	if lock.Downloads, err = lockedDownloads(ctx, r, o); err != nil {
		return nil, err
	}
	containers, err := Containers(ctx, r, Inputs{Cache: o.Cache, Mirrors: o.Mirrors})
	if err != nil {
		return nil, err
	}
	lock.Images, err = lockedImages(ctx, imageSource(r, o.Cache), containers)
	return lock, err
}

// wanted lists what the packages of layers, the lowest first, are chosen by.
func wanted(stack []debian.Layer) []string {
	if len(stack) == 0 {
		return nil
	}
	l := stack[0]
	out := []string{"architecture " + l.Architecture}
	if l.Over != "" {
		out = append(out, "image "+l.Over)
	} else {
		out = append(out, "suite "+l.Suite)
	}
	for _, c := range l.Components {
		out = append(out, "component "+c)
	}
	if l.Mirror != "" {
		out = append(out, "mirror "+l.Mirror)
	}
	for _, r := range l.Repositories {
		r.Key = "" // its digest tells more
		data, _ := json.Marshal(r)
		out = append(out, "repository "+string(data))
	}
	for _, p := range l.Packages {
		out = append(out, "package "+p)
	}
	if l.Slim != nil {
		out = append(out, "slim")
	}
	for i, l := range stack[1:] {
		for _, p := range l.Packages {
			out = append(out, fmt.Sprintf("layer %d package %s", i+1, p))
		}
	}
	return out
}

// wantedBy is the same for a recipe.
func wantedBy(r *recipes.Recipe) ([]string, error) {
	stack, err := packageLayers(r, nil)
	return wanted(stack), err
}

// misfits says in what a lock does not fit what is wanted.
func (l *Lock) misfits(want []string) []string {
	var out []string
	for _, line := range want {
		if !slices.Contains(l.For, line) {
			out = append(out, line+" was added")
		}
	}
	for _, line := range l.For {
		if !slices.Contains(want, line) {
			out = append(out, line+" was removed")
		}
	}
	return out
}

// MisfitError is a lock that was made for another recipe, or for this one as it was.
type MisfitError struct {
	Changes []string // since the lock was made, such as "package vim was added"
}

func (e *MisfitError) Error() string {
	return fmt.Sprintf("the lock does not fit the recipe any more: %s", strings.Join(e.Changes, ", "))
}

// Check tells whether a lock fits a recipe in everything, the contents of its pallets included, but for what these
// download, which Compile looks at. The error is a MisfitError where it does not. Of the inputs it takes what pallets are
// read with.
func (l *Lock) Check(ctx context.Context, r *recipes.Recipe, in Inputs) error {
	want, err := wantedBy(r)
	if err != nil {
		return err
	}
	pallets, err := lockedPallets(r)
	if err != nil {
		return err
	}
	containers, err := Containers(ctx, r, in)
	if err != nil {
		return err
	}
	changes := append(l.misfits(want), l.imageMisfits(containers)...)
	for _, c := range diff("pallet", l.Pallets, pallets, LockedPallet.line) {
		changes = append(changes, c.String())
	}
	if len(changes) > 0 {
		return &MisfitError{changes}
	}
	return nil
}
