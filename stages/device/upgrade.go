package device

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
)

// Upstream is the interface to the Git repositories of pallets that upgrades use; source.Source implements it.
type Upstream interface {
	// Find locks what PATH@QUERY means now.
	Find(ctx context.Context, text string) (pallet.Requirement, error)
	// Resolve returns a directory with the files of a locked commit.
	Resolve(ctx context.Context, r pallet.Requirement) (dir string, err error)
	// Has reports whether the repository of a pallet has a commit, without fetching it again.
	Has(ctx context.Context, path, commit string) (bool, error)
}

// Offer is a version of a pallet that an upgrade or a switch can stage, compared with the next stage.
type Offer struct {
	Pallet   string   `json:"pallet"`
	Version  string   `json:"version"`
	Relation Relation `json:"relation"`
	Next     int      `json:"next"`                    // the next stage; 0 for none
	Replaced string   `json:"replaced,omitempty"`      // the version of its pallet
	Local    *Local   `json:"local_changes,omitempty"` // what it has that upstream lacks

	Requirement pallet.Requirement `json:"-"`
}

// Relation says how an offered version relates to the version of the next stage: new, same or older.
type Relation string

// The relations.
const (
	New   Relation = "new"  // newer, or of another pallet, or there is no next stage to compare it with
	Same  Relation = "same" // the version that is next
	Older Relation = "older"
)

// Offer looks up which version of a pallet the followed branch, tag or commit names now, and compares it with the next
// stage's version. It changes nothing. If no stage is next, or the next one cannot be read, the version counts as new.
func (d Device) Offer(ctx context.Context, up Upstream, f Followed) (Offer, error) {
	found, err := up.Find(ctx, f.String())
	if err != nil {
		return Offer{}, err
	}
	o := Offer{Pallet: found.Path, Version: found.Lock.Version(), Relation: New, Requirement: found}
	s, err := d.snapshot()
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // staging makes a store that is missing
		return Offer{}, err
	}
	next := s.Staged.Next
	if next == 0 {
		return o, nil
	}
	m, err := d.manifest(next)
	if err != nil {
		return o, nil // a broken stage is no reason to stay with it
	}
	o.Next, o.Replaced = next, m.Pallet.Version
	if m.Pallet.Path == found.Path {
		switch order := semver.Compare(o.Version, o.Replaced); {
		case o.Version == o.Replaced:
			o.Relation = Same
		case order < 0:
			o.Relation = Older
		}
	}
	o.Local = d.local(ctx, up, next, s)
	return o, nil
}

// Permission says what the administrator allows an upgrade to do: replace local changes, stage again the version that
// is next, or stage an older version.
type Permission struct {
	Force     bool // replace local changes, and stage anew what is next
	Downgrade bool // stage an older version
}

// Allow returns an error if staging the offered version would replace local changes, or a newer version, and p does not
// permit that; else nil.
func (o Offer) Allow(p Permission) error {
	if o.Local != nil && !p.Force {
		return fmt.Errorf("%s: --force stages pallet %s %s in its place", o.Local, o.Pallet, o.Version)
	}
	if o.Relation == Older && !p.Downgrade {
		return fmt.Errorf("pallet %s %s is older than %s, which is next: --allow-downgrade stages it", o.Pallet, o.Version, o.Replaced)
	}
	return nil
}

// Needless reports whether the next stage already has the offered version, unchanged.
func (o Offer) Needless() bool { return o.Relation == Same && o.Local == nil }

// String describes the offered version, and how it relates to the next stage's, in one line.
func (o Offer) String() string {
	text := fmt.Sprintf("%s %s can be staged", o.Pallet, o.Version)
	switch {
	case o.Relation == Same:
		text = fmt.Sprintf("%s %s is staged already", o.Pallet, o.Version)
	case o.Relation == Older:
		text = fmt.Sprintf("%s %s is older than %s, which is next", o.Pallet, o.Version, o.Replaced)
	}
	if o.Local != nil {
		text += "; " + o.Local.String()
	}
	return text
}

// Local describes changes in the next stage that an upgrade would lose: a commit that upstream lacks, or files that no
// commit has.
type Local struct {
	Stage   int      `json:"stage"`
	Pallet  string   `json:"pallet"`
	Version string   `json:"version"`
	Commit  bool     `json:"commit"` // a commit that upstream lacks, instead of files that no commit has
	Files   []string `json:"files"`  // that differ from the version, as far as it could be had
}

func (l Local) String() string {
	text := fmt.Sprintf("stage %d, which is next, has changes of its own over %s %s", l.Stage, l.Pallet, l.Version)
	switch {
	case l.Commit:
		text = fmt.Sprintf("stage %d, which is next, was made from a commit of %s that upstream lacks (%s)", l.Stage, l.Pallet, l.Version)
	case l.Version == "":
		text = fmt.Sprintf("stage %d, which is next, was made from files of %s that were never committed", l.Stage, l.Pallet)
	}
	if len(l.Files) > 0 {
		text += " (" + List(l.Files) + ")"
	}
	return text
}

// local returns what a stage has that upstream lacks; nil if nothing, or if a name keeps the stage, since then nothing is
// lost: the one that a device comes with is made from a directory, too.
func (d Device) local(ctx context.Context, up Upstream, stage int, s stages.Snapshot) *Local {
	for _, n := range s.Staged.Names {
		if n == stage {
			return nil
		}
	}
	m, err := d.manifest(stage)
	if err != nil || m.Pallet.Path == "" {
		return nil
	}
	l := &Local{Stage: stage, Pallet: m.Pallet.Path, Version: m.Pallet.Version, Files: []string{}}
	if originOf(m).Changed {
		l.Files = d.differences(ctx, up, stage, m.Pallet.Path, m.Pallet.Commit)
		return l
	}
	if m.Pallet.Commit == "" {
		return nil // staged by Forklift, which notes none
	}
	has, err := up.Has(ctx, m.Pallet.Path, m.Pallet.Commit)
	if err != nil {
		d.warn(fmt.Errorf("find commit %s, of which stage %d was made: %w", m.Pallet.Commit, stage, err))
	}
	if err != nil || has {
		return nil
	}
	l.Commit = true
	return l
}

// differences lists the files of a stage's pallet that differ from a commit; none if that cannot be had.
func (d Device) differences(ctx context.Context, up Upstream, stage int, path, commit string) []string {
	if commit == "" {
		return []string{}
	}
	found, err := up.Find(ctx, path+"@"+commit)
	if err == nil {
		var dir string
		if dir, err = up.Resolve(ctx, found); err == nil {
			var files []string
			if files, err = compareTrees(dir, d.bundle(stage)+"/pallet"); err == nil {
				return files
			}
		}
	}
	d.warn(fmt.Errorf("compare stage %d with commit %s: %w", stage, commit, err))
	return []string{}
}

// listed is how many of many things are named.
const listed = 3

// List joins the first three items of a list with commas, and says how many more there are; "" for an empty list.
func List(all []string) string {
	if len(all) <= listed {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:listed], ", "), len(all)-listed)
}
