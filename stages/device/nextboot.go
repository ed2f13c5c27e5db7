package device

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// NextBoot is the prediction which stage the next boot will start, and why.
type NextBoot struct {
	Stage    int      `json:"stage"` // 0 for none
	Reason   string   `json:"reason"`
	Reset    bool     `json:"reset"`            // whether the stage is the one of the queued reset
	Problems []string `json:"problems"`         // why it is not as it was asked for
	Ladder   string   `json:"ladder,omitempty"` // what it leaves out after boots without a verdict; "" for nothing
	Origin
	// Overrides is which of the user's changes are in force, if a person asked for that; "" leaves it to pkinit.
	Overrides report.Overrides `json:"overrides,omitempty"`

	attempt int
}

// NextBoot predicts the stage of the next boot, from the stage store and a queued reset, by the rules of pkinit.
func (d Device) NextBoot() NextBoot {
	n := NextBoot{Problems: []string{}}
	dir := os.DirFS(d.Store)
	snapshot, err := d.snapshot()
	reset, resetErr := d.QueuedReset()
	switch after, afterErr := afterReset(dir, reset.Stage); {
	case resetErr != nil:
		n.problem("nothing will be reset: %v (pkctl reset --cancel removes the file)", resetErr)
	case reset.Stage == 0:
	case afterErr != nil:
		n.problem("nothing will be reset: %v (pkctl reset --cancel cancels the reset)", afterErr)
	default:
		snapshot, err, n.Reset = after, nil, true // it writes both files anew
	}
	if err != nil {
		n.problem("%v", err)
	}
	choice := n.requested(d, snapshot, stages.Select(snapshot))
	n.Stage, n.Reason, n.attempt = choice.Stage, choice.Reason, choice.Attempt
	n.Ladder = choice.Rung.Text()
	n.Origin = d.origin(n.Stage)
	if n.Reset {
		n.Reason = "reset; " + n.Reason
	}
	if choice.Problem != "" {
		n.problem("%s", choice.Problem)
	}
	if _, err := d.queue(); err != nil && !(n.Reset && reset.Overrides) { // such a reset empties the queue
		n.problem("nothing will be reverted: %v (pkctl override revert --cancel empties the queue)", err)
	}
	return n
}

func (n *NextBoot) problem(format string, args ...any) {
	n.Problems = append(n.Problems, oneLine(fmt.Errorf(format, args...)))
}

// afterReset returns the store after pkinit has made a stage the next one.
func afterReset(dir fs.FS, stage int) (stages.Snapshot, error) {
	if err := stages.CheckBundle(dir, stage); err != nil {
		return stages.Snapshot{}, fmt.Errorf("stage %d cannot be next: %w", stage, err)
	}
	files, err := stages.ReadFiles(dir)
	if err != nil {
		return stages.Snapshot{}, err
	}
	files, _, err = files.SetNext(stage)
	return files.Snapshot(dir), err
}
