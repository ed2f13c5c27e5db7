package stages

import (
	"fmt"
	"io/fs"
	"strconv"

	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Requested returns the choice for a boot for which a person requested a stage: by number, report.FactoryStage or
// report.NoStage. It fails if the stage cannot be used. The boot does not count as an attempt.
func Requested(s Snapshot, dir fs.FS, r report.Request) (Choice, error) {
	if r.Stage == report.NoStage {
		return Choice{Reason: fmt.Sprintf("no stage was requested by %s", r.Source)}, nil
	}
	n := s.Staged.Names[FactoryName]
	if r.Stage != report.FactoryStage {
		var err error
		if n, err = strconv.Atoi(r.Stage); err != nil {
			return Choice{}, fmt.Errorf("stage %q is not a number", r.Stage)
		}
	} else if n == 0 {
		return Choice{}, fmt.Errorf("no stage has the name %s", FactoryName)
	}
	if err := s.checkBundle(dir, n); err != nil {
		return Choice{}, fmt.Errorf("stage %d cannot be used: %w", n, err)
	}
	return Choice{Stage: n, Reason: fmt.Sprintf("stage %d was requested by %s", n, r.Source)}, nil
}
