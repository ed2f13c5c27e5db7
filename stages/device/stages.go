package device

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// Stage describes a stage in the store: its number, roles, names, verdict and pallet.
type Stage struct {
	Stage    int            `json:"stage"`
	Roles    []string       `json:"roles"` // running, next, current, rollback
	Names    []string       `json:"names"`
	State    string         `json:"state"` // see stageState
	Attempts int            `json:"attempts"`
	Problem  string         `json:"problem,omitempty"` // why it is incomplete or damaged
	Changed  bool           `json:"changed"`           // whether it was made from files that no commit has
	Manifest store.Manifest `json:"manifest"`
}

// Version returns the version of the stage's pallet for people; see Origin.VersionText.
func (s Stage) Version() string { return originOf(s.Manifest).VersionText() }

// Origin is the pallet and the version from which a stage was made.
type Origin struct {
	Pallet  string `json:"pallet,omitempty"`
	Version string `json:"version,omitempty"`
	Changed bool   `json:"changed"` // whether the stage was made from files that no commit has
}

func originOf(m store.Manifest) Origin {
	return Origin{m.Pallet.Path, m.Pallet.Version, m.Pallet.Path != "" && !m.Pallet.Clean}
}

// origin returns what a stage was made from; the zero value if it cannot be read.
func (d Device) origin(stage int) Origin {
	m, err := d.manifest(stage)
	if err != nil {
		return Origin{}
	}
	return originOf(m)
}

// VersionText returns the version of the pallet for people, with a note if files differed from the commit.
func (o Origin) VersionText() string {
	switch {
	case !o.Changed:
		return o.Version
	case o.Version == "":
		return "(not committed)"
	}
	return o.Version + " (changed)"
}

// Stages describes all stages, sorted by number.
func (d Device) Stages() ([]Stage, error) {
	all, err := d.Numbers()
	if err != nil {
		return nil, err
	}
	running, err := d.Running()
	d.warn(err)
	snapshot, err := d.snapshot()
	d.warn(err)
	out := []Stage{}
	for _, n := range all {
		out = append(out, d.describe(n, snapshot, running))
	}
	return out, nil
}

// Show describes a stage, given by its number, name or role. It fails if the stage does not exist; one that is
// incomplete or damaged has a Problem.
func (d Device) Show(name string) (Stage, error) {
	n, err := d.Resolve(name)
	if err != nil {
		return Stage{}, err
	}
	running, err := d.Running()
	d.warn(err)
	s, err := d.snapshot()
	d.warn(err)
	return d.describe(n, s, running), nil
}

func (d Device) describe(n int, s stages.Snapshot, running int) Stage {
	out := Stage{Stage: n, Roles: []string{}, Names: []string{}, Attempts: s.State.Stages[n].Attempts}
	for _, role := range []struct {
		name  string
		stage int
	}{{"running", running}, {"next", s.Staged.Next}, {"current", s.Staged.Current()}, {"rollback", s.Staged.Rollback()}} {
		if role.stage == n {
			out.Roles = append(out.Roles, role.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Staged.Names)) {
		if s.Staged.Names[name] == n {
			out.Names = append(out.Names, name)
		}
	}
	if err := stages.CheckBundle(os.DirFS(d.Store), n); err != nil {
		out.Problem = err.Error()
	}
	out.Manifest, _ = d.manifest(n) // what is wrong with it is in Problem
	out.Changed = originOf(out.Manifest).Changed
	out.State = stageState(n, s, out.Problem)
	if damage := s.State.Stages[n].Damaged; out.Problem == "" && damage != "" {
		out.Problem = "bundle is damaged: " + damage
	}
	return out
}

// stageState returns incomplete, damaged, failed, good (found good, and in the history since), pending (next, and without a
// verdict) or unused.
func stageState(n int, s stages.Snapshot, problem string) string {
	switch {
	case problem != "":
		return "incomplete"
	case s.State.Stages[n].Damaged != "":
		return "damaged"
	case n == s.Staged.Next && s.Staged.NextFailed, s.State.Stages[n].Result == stages.Failed:
		return "failed"
	case slices.Contains(s.Staged.History, n):
		return "good"
	case n == s.Staged.Next:
		return "pending"
	}
	return "unused"
}

// bundle returns the directory of a stage's bundle.
func (d Device) bundle(stage int) string { return filepath.Join(d.Store, strconv.Itoa(stage)) }

func (d Device) manifest(stage int) (store.Manifest, error) {
	return store.ReadManifest(os.DirFS(d.bundle(stage)))
}

// Names returns the numbers and names of all stages, sorted as text, for completion on the command line. What cannot be
// read is left out, with a warning.
func (d Device) Names() []string {
	all, err := d.Numbers()
	d.warn(err)
	var names []string
	for _, n := range all {
		names = append(names, strconv.Itoa(n))
	}
	s, err := d.snapshot()
	d.warn(err)
	for name := range s.Staged.Names {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Verify compares the files of a stage, given by number, name or role, with the digests recorded when it was staged,
// and returns its number and a sentence for each difference. It fails with store.ErrNoDigests if none were recorded.
func (d Device) Verify(name string) (stage int, differences []string, err error) {
	if stage, err = d.Resolve(name); err != nil {
		return 0, nil, err
	}
	differences, err = store.Verify(os.DirFS(d.Store), stage)
	return stage, append([]string{}, differences...), err
}
