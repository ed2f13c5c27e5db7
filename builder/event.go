package builder

import "time"

// State is the state of a build step, such as started, cached or done.
type State string

// The states of a step.
const (
	Started  State = "started"
	Running  State = "running" // Done of Total, or a line of a program's output
	Warning  State = "warning"
	Cached   State = "cached" // the result was in the cache
	Finished State = "done"
	Failed   State = "failed"
)

// Event is one progress report of a build: the step, its state, and how much of it is done.
type Event struct {
	Time    time.Time `json:"time"`
	Step    string    `json:"step"` // name of the layer, "disk" or "container"
	State   State     `json:"state"`
	Message string    `json:"message,omitempty"`
	Done    int64     `json:"done,omitempty"`    // in a unit of the step's own
	Total   int64     `json:"total,omitempty"`   // likewise; 0 if unknown
	Seconds float64   `json:"seconds,omitempty"` // duration, once the step has ended
	Key     string    `json:"key,omitempty"`     // cache key of the layer
}
