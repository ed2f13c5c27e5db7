package stages

import (
	"encoding/json"
	"fmt"
	"time"
)

// stateVersion is the format version of the state file.
const stateVersion = 1

// BootState is the content of boot-state.json: what is recorded of each stage, and whether the device is to start
// without one. Methods that change it return a copy.
type BootState struct {
	Version int            `json:"version"`
	Stages  map[int]Record `json:"stages"`
	None    bool           `json:"none,omitempty"` // if no stage is next, the device starts without one, and not with the current stage
}

// Record holds the boot attempts and the verdict of one stage, and why it cannot be mounted or is damaged.
type Record struct {
	Attempts int       `json:"attempts"` // boots without a verdict since the last verdict, or since the stage became next
	Last     time.Time `json:"last"`     // time of the last attempt or verdict; the clock may have been wrong
	Result   Result    `json:"result"`
	Reasons  []string  `json:"reasons,omitempty"`  // of a failed verdict, each a sentence
	Unusable string    `json:"unusable,omitempty"` // why pkinit could not mount it; "" if it could or has not tried
	Damaged  string    `json:"damaged,omitempty"`  // how its files differ from their digests; "" if they do not
}

// Result is the verdict on a stage: good, failed, or pending, which means none yet; "" if the stage was never
// attempted.
type Result string

// The verdicts.
const (
	Pending Result = "pending"
	Good    Result = "good"
	Failed  Result = "failed"
)

// ParseBootState parses boot-state.json. It fails for another format version.
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

// Marshal encodes the state as the content of boot-state.json.
func (s BootState) Marshal() ([]byte, error) {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", StateFile, err)
	}
	return append(data, '\n'), nil
}

// WithAttempt returns the state with one more boot attempt counted for a stage. A good verdict on the stage is kept.
func (s BootState) WithAttempt(stage int, at time.Time) BootState {
	r := s.Stages[stage]
	r.Attempts, r.Last = r.Attempts+1, timestamp(at)
	if r.Result != Good {
		r.Result = Pending
	}
	return s.with(stage, r)
}
