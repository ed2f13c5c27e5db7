package initsteps

import (
	"errors"
	"fmt"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Undo implements Step. The chosen stage could not be mounted, and is not chosen again in this boot: the transaction
// can start over with another stage, or with none. Until then no later step may assume a stage.
func (SelectStage) Undo(b *Boot) error {
	stage := b.Report.Choice.Stage
	b.Report.Choice = report.Choice{Reason: "no stage: the overlays could not be mounted"}
	if stage != 0 {
		b.Report.Unusable = append(b.Report.Unusable, report.Unusable{Stage: stage, Reason: b.lastError()})
		b.alternative = true
	}
	return nil
}

// lastError returns the error of the step that failed last.
func (b *Boot) lastError() string {
	text := ""
	for _, s := range b.Report.Steps {
		if s.State == report.Failed {
			text = s.Error
		}
	}
	return text
}

// exclude returns the snapshot without the stages that could not be mounted in this boot.
func exclude(b *Boot, s stages.Snapshot) stages.Snapshot {
	for _, u := range b.Report.Unusable {
		s = s.Exclude(b.DirFS(stages.Dir), u.Stage, errors.New(u.Reason))
	}
	return s
}

// MarkUnusable records the stages that could not be mounted, so that the next boots do not try them again. It does so
// only if another choice could be mounted: otherwise the fault is not the stage's, but the kernel's, say.
type MarkUnusable struct{}

func (MarkUnusable) String() string { return "mark-unusable" }

// Done implements Step. Do sees whether there is something to record.
func (MarkUnusable) Done(*Boot) (bool, error) { return false, nil }

// Do implements Step.
func (MarkUnusable) Do(b *Boot) error {
	if len(b.Report.Unusable) == 0 {
		return Skip("no stage failed to mount")
	}
	if b.state(Overlay{Dir: "etc"}) != report.Done {
		return Skip("nothing else could be mounted either")
	}
	snapshot, _ := stages.Load(b.DirFS(stages.Dir)) // SelectStage has reported the error
	files := stages.Files{State: snapshot.State}
	for _, u := range b.Report.Unusable {
		next, writes, err := files.Unusable(u.Stage, u.Reason, b.Now())
		if err := b.write(writes, err); err != nil {
			return fmt.Errorf("record that stage %d cannot be mounted: %w", u.Stage, err)
		}
		files = next
	}
	return nil
}

// Undo implements Step: the record is true whatever happens later.
func (MarkUnusable) Undo(*Boot) error { return nil }
