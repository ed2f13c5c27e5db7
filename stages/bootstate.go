package stages

import (
	"encoding/json"
	"fmt"
	"time"
)

// stateVersion is the version of the format of the state file.
const stateVersion = 1

// BootState is the content of the state file: what became of starting with each stage.
type BootState struct {
	Version int            `json:"version"`
	Stages  map[int]Record `json:"stages"`
}

// Record is what became of starting with one stage.
type Record struct {
	Attempts int       `json:"attempts"` // boots since the stage was staged that no verdict followed
	Last     time.Time `json:"last"`     // when the last of them was, by a clock that may not have been set
	Result   Result    `json:"result"`
	Reasons  []string  `json:"reasons,omitempty"` // why it was found bad, each a sentence
}

// Result is the verdict on a stage.
type Result string

// The verdicts.
const (
	Pending Result = "pending"
	Good    Result = "good"
	Failed  Result = "failed"
)

// ParseBootState reads a state file.
func ParseBootState(data []byte) (BootState, error) {
	var s BootState
	if err := json.Unmarshal(data, &s); err != nil {
		return BootState{}, fmt.Errorf("parse %s: %w", StateFile, err)
	}
	if s.Version != stateVersion {
		return BootState{}, fmt.Errorf("parse %s: version is %d, want %d", StateFile, s.Version, stateVersion)
	}
	return s, nil
}

// Marshal writes the state file.
func (s BootState) Marshal() ([]byte, error) {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", StateFile, err)
	}
	return append(data, '\n'), nil
}

// Attempted is the state with one more attempt at a stage.
func (s BootState) Attempted(stage int, at time.Time) BootState {
	return s.with(stage, Record{Attempts: s.Stages[stage].Attempts + 1, Last: stamp(at), Result: Pending})
}
