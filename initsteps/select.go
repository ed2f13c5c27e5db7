package initsteps

import (
	"fmt"
	"path"
	"strconv"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// SelectStage is the boot step that chooses the stage (the version of the device's files and apps) for this boot, and
// counts an attempt if the stage is not proven yet. Later steps and programs read the choice from the boot report.
type SelectStage struct{}

func (SelectStage) String() string { return "select-stage" }

// Done reports whether the report has the choice of this boot.
func (SelectStage) Done(b *Boot) (bool, error) { return b.Report.Choice.Reason != "", nil }

// Do selects the stage of this boot and writes the choice to the report. It never fails: if the stage store cannot be
// read, it reports a problem and the boot continues without a stage.
func (SelectStage) Do(b *Boot) error {
	choice := stages.Choice{Reason: "no stage can be used"}
	err := Guard(func() error {
		choice = choose(b)
		return nil
	})
	if err != nil {
		choice.Problem = OneLine(err)
	}
	if choice.Problem != "" {
		b.Problem(choice.Problem)
	}
	overrides, ladder := overridesOf(choice.Rung), choice.Rung.Text()
	if r := b.Report.Request; r != nil {
		overrides, ladder = requestedOverrides(*r, overrides, ladder)
	}
	b.Report.Choice = report.Choice{
		Requested: isRequested(b.Report.Request),
		Stage:     choice.Stage, Reason: choice.Reason, Attempt: choice.Attempt, Overrides: overrides,
		Ladder: ladder,
	}
	if choice.Stage != 0 {
		b.Report.Choice.Bundle = path.Join(stages.Dir, strconv.Itoa(choice.Stage))
	}
	return nil
}

// choose selects the stage and records the attempt.
func choose(b *Boot) stages.Choice {
	snapshot, err := stages.Load(b.DirFS(stages.Dir))
	if err != nil {
		b.Problem(OneLine(err))
	}
	snapshot = exclude(b, snapshot)
	if r := b.Report.Request; r != nil && r.Stage != "" {
		choice, err := stages.Requested(snapshot, b.DirFS(stages.Dir), *r)
		if err == nil {
			return choice
		}
		b.Problem(fmt.Sprintf("stage=%s was requested by %s: %s", r.Stage, r.Source, OneLine(err)))
	}
	choice := stages.Select(snapshot)
	if choice.Counted == 0 || choice.Attempt == 0 && isRequested(b.Report.Request) { // a boot that gets no verdict is not counted
		return choice
	}
	_, writes, err := stages.Files{State: snapshot.State}.Attempt(choice.Counted, b.Now())
	err = b.write(writes, err)
	if err != nil && choice.Attempt != 0 { // an attempt that is not recorded could be repeated for ever
		return stages.Fallback(snapshot, fmt.Sprintf("stage %d is next but the attempt at it could not be recorded: %s",
			choice.Stage, OneLine(err)))
	}
	if err != nil {
		b.Problem(fmt.Sprintf("boots of stage %d cannot be counted: %s", choice.Counted, OneLine(err)))
	}
	return choice
}

// overridesOf returns which overrides a rung of the ladder uses.
func overridesOf(r stages.Rung) report.Overrides {
	switch r {
	case stages.AllOverrides:
		return report.AllOverrides
	case stages.GoodOverrides:
		return report.GoodOverrides
	}
	return report.NoOverrides
}

// isRequested reports whether a person asked for a stage or for overrides.
func isRequested(r *report.Request) bool { return r != nil && (r.Stage != "" || r.Overrides != "") }

// requestedOverrides returns which overrides are in force, and what the boot leaves out after boots without a verdict, if
// a person asked for something else than the ladder has it.
func requestedOverrides(r report.Request, overrides report.Overrides, ladder string) (report.Overrides, string) {
	switch {
	case r.Reset == report.ResetOverrides:
		return report.NoOverrides, ""
	case r.Overrides == "off":
		return report.OffOverrides, ""
	case r.Overrides == "on", r.Stage != "":
		return report.AllOverrides, ""
	}
	return overrides, ladder
}
