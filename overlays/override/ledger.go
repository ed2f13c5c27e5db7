package override

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// ledgerVersion is the version of the format of the ledger.
const ledgerVersion = 1

// Ledger records, for each override by its absolute path, which file it hid when it was first seen, to detect when it
// begins to hide an update.
type Ledger map[string]Seen

// Seen is the ledger's record of one override: what it hid when it was first seen, and the first stage whose update it
// hides.
type Seen struct {
	Below string `json:"below,omitempty"` // fingerprint of what it hid
	Stage int    `json:"stage"`           // the stage that ran when it was first seen; 0 for none
	Hides int    `json:"hides,omitempty"` // the first stage seen since whose file is another one; 0 for none
}

// ParseLedger parses a ledger of overrides. It fails for another format version.
func ParseLedger(data []byte) (Ledger, error) {
	var file struct {
		Version   int    `json:"version"`
		Overrides Ledger `json:"overrides"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("parse the ledger of overrides: %w", err)
	}
	if file.Version != ledgerVersion {
		return nil, fmt.Errorf("parse the ledger of overrides: version is %d, want %d", file.Version, ledgerVersion)
	}
	return file.Overrides, nil
}

// Marshal encodes the ledger as JSON.
func (l Ledger) Marshal() ([]byte, error) {
	data, err := json.MarshalIndent(map[string]any{"version": ledgerVersion, "overrides": l}, "", "  ")
	return append(data, '\n'), err
}

// Observe returns the ledger updated with the overrides found now, while a stage (a version of the device's files)
// runs: new overrides are added, those that hide a newer file of the stage are marked with it, and removed ones are dropped.
// Paths are absolute, such as /etc/hostname.
func (l Ledger) Observe(found []Override, stage int) Ledger {
	next := Ledger{}
	for _, o := range found {
		seen, known := l[o.Path]
		switch {
		case !known:
			seen = Seen{Below: o.Below, Stage: stage}
		case seen.Below == o.Below:
			seen.Hides = 0
		case seen.Hides == 0:
			seen.Hides = stage
		}
		next[o.Path] = seen
	}
	return next
}

// Keep returns a copy of the ledger in which an override counts as first seen now, while a stage runs: the update that it
// hides is not reported any more, but a later one is.
func (l Ledger) Keep(o Override, stage int) Ledger {
	next := maps.Clone(l)
	next[o.Path] = Seen{Below: o.Below, Stage: stage}
	return next
}

// Hiding returns the sorted paths of the overrides (the changed files of the user) that hide another version of a file than
// when they were first seen; nil if there are none.
func (l Ledger) Hiding() []string {
	var out []string
	for path, seen := range l {
		if seen.Hides != 0 {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}
