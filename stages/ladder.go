package stages

import (
	"fmt"
	"slices"
)

// FactoryName is the name of the stage that a device was built with.
const FactoryName = "factory-reset"

// Rung is how much a device leaves out when boots of a proven stage ended without a verdict: the higher, the less it
// starts with (first fewer overrides, then an earlier stage).
type Rung int

// The rungs of the ladder.
const (
	AllOverrides  Rung = iota // the stage, with all of the user's overrides
	GoodOverrides             // without the overrides that changed since the last good verdict
	NoOverrides               // without any override
	RollbackStage             // without overrides, and with the proven stage before
	FactoryStage              // without overrides, and with the stage that the device was built with
)

// ladder has the number of boots on each rung but the last, on which a device stays. A pulled plug ends a boot without a
// verdict, too, so that each has more than one.
var ladder = []struct {
	rung  Rung
	boots int
}{{AllOverrides, MaxAttempts}, {GoodOverrides, 2}, {NoOverrides, 2}, {RollbackStage, 2}}

// rungAfter returns the rung of a boot after a number of boots without a verdict.
func rungAfter(boots int) Rung {
	for _, l := range ladder {
		if boots < l.boots {
			return l.rung
		}
		boots -= l.boots
	}
	return FactoryStage
}

var rungNames = [...]string{
	"with all overrides", "without the overrides changed since the last good boot", "without overrides",
	"without overrides, with the proven stage before", "without overrides, with the factory stage",
}

func (r Rung) String() string { return rungNames[r] }

// Text describes what a boot leaves out, such as "without overrides"; "" if it leaves out nothing.
func (r Rung) Text() string {
	if r == AllOverrides {
		return ""
	}
	return r.String()
}

// climb changes the choice of a proven stage if boots of it ended without a verdict. A stage that never had a verdict
// stays on the lowest rung: nothing on such a device gives verdicts.
func climb(s Snapshot, c Choice) Choice {
	record := s.State.Stages[c.Stage]
	if c.Stage == 0 || record.Result == "" {
		return c
	}
	proven := c.Stage
	c.Counted, c.Rung = proven, rungAfter(record.Attempts)
	if c.Rung == AllOverrides {
		return c
	}
	if c.Rung == RollbackStage {
		c.Stage = s.before(proven)
	}
	if c.Rung == FactoryStage {
		c.Stage = s.factory(proven)
	}
	c.Reason = fmt.Sprintf("%d boots of stage %d ended without a verdict: stage %d, %v", record.Attempts, proven, c.Stage, c.Rung)
	c.Problem = c.Reason
	return c
}

// before returns the newest usable stage of the history other than a stage, or else the factory stage.
func (s Snapshot) before(stage int) int {
	for _, n := range slices.Backward(s.Staged.History) {
		if n != stage && s.bundleError(n) == nil {
			return n
		}
	}
	return s.factory(stage)
}

// factory returns the factory stage if it can be used, and else the given stage.
func (s Snapshot) factory(stage int) int {
	if n := s.Staged.Names[FactoryName]; n != 0 && s.bundleError(n) == nil {
		return n
	}
	return stage
}
