package initsteps

import (
	"errors"
	"fmt"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Undo excludes the chosen stage for the rest of this boot, because it could not be mounted, so that the transaction
// can be repeated with another stage or none. Until then the report names no stage.
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

// MarkUnusable is the boot step that records stages that could not be mounted, so that later boots do not try them
// again. It does so only if another stage could be mounted: otherwise the fault may be the kernel's.
type MarkUnusable struct{}

func (MarkUnusable) String() string { return "mark-unusable" }

// Done always returns false: Do itself finds out whether a stage failed to mount.
func (MarkUnusable) Done(*Boot) (bool, error) { return false, nil }

// Do writes the stages that could not be mounted in this boot to boot-state.json. It skips the step if there are none,
// or if nothing else could be mounted either.
func (MarkUnusable) Do(b *Boot) error {
	if len(b.Report.Unusable) == 0 {
		return Skip("no stage failed to mount")
	}
	if b.state(Overlay{Dir: "etc"}) != report.Done {
		return Skip("no other stage could be mounted either")
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

// Undo does nothing: that a stage could not be mounted stays true.
func (MarkUnusable) Undo(*Boot) error { return nil }
