package override

import (
	"encoding/json"
	"fmt"
)

// ResetFile is where a queued reset is, in StateDir.
const ResetFile = "reset.json"

// resetVersion is the version of the format of the reset.
const resetVersion = 1

// Reset is what the device gives up at the next boot. pkinit does its part before anything is mounted, and leaves what is
// to be done once Docker runs; whoever does the last of it deletes the file.
type Reset struct {
	Stage      int  `json:"stage,omitempty"`      // to start with; 0 once pkinit has done its part
	Overrides  bool `json:"overrides,omitempty"`  // without anything that the user changed in /etc and /usr
	Containers bool `json:"containers,omitempty"` // without containers, networks and volumes of stages
}

// ParseReset reads a reset.
func ParseReset(data []byte) (Reset, error) {
	var file struct {
		Version int `json:"version"`
		Reset
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return Reset{}, fmt.Errorf("parse the queued reset: %w", err)
	}
	if file.Version != resetVersion {
		return Reset{}, fmt.Errorf("parse the queued reset: version is %d, want %d", file.Version, resetVersion)
	}
	if file.Stage < 0 || file.Stage == 0 && (file.Overrides || !file.Containers) {
		return Reset{}, fmt.Errorf("parse the queued reset: %d is not the number of a stage", file.Stage)
	}
	return file.Reset, nil
}

// Marshal writes a reset.
func (r Reset) Marshal() ([]byte, error) {
	data, err := json.MarshalIndent(struct {
		Version int `json:"version"`
		Reset
	}{resetVersion, r}, "", "  ")
	return append(data, '\n'), err
}
