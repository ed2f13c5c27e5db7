package builder

import "time"

// State is what an Event says of its step.
type State string

// The states of a step.
const (
	Started  State = "started"
	Running  State = "running" // Done of Total, or a line of a program's output
	Warning  State = "warning"
	Cached   State = "cached" // it was there already
	Finished State = "done"
	Failed   State = "failed"
)

// Event tells of the progress of a build, in the order in which things happen.
type Event struct {
	Time    time.Time `json:"time"`
	Step    string    `json:"step"` // name of the layer, or "disk"
	State   State     `json:"state"`
	Message string    `json:"message,omitempty"`
	Done    int64     `json:"done,omitempty"`    // in units of the step's own
	Total   int64     `json:"total,omitempty"`   // 0: unknown
	Seconds float64   `json:"seconds,omitempty"` // how long it took, when it is over
	Key     string    `json:"key,omitempty"`     // of the layer
}
