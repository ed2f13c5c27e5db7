package initsteps

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/stages/report"
)

// All runs all steps of a boot in order. Steps that fail are in the report and in the returned error, which joins their
// errors; the boot continues without them. All does not save the report.
func (b *Boot) All() error {
	var errs []error
	for _, t := range Transactions() {
		errs = append(errs, b.transaction(t))
	}
	return errors.Join(errs...)
}

// One runs the step with a name, and first those before it in its transaction (the steps that are undone together) that
// this boot has not done yet. If one of them failed earlier in this boot, it skips the step and returns no error. It saves
// the report. It fails without running anything if no step has that name.
func (b *Boot) One(name string) error {
	steps, err := upTo(name)
	if err != nil {
		return err
	}
	if s := b.firstFailed(steps[:len(steps)-1]); s != nil {
		b.enter(report.Step{Name: name, State: report.Skipped, Note: fmt.Sprintf("%s is %s", s, b.state(s))})
		return b.Save()
	}
	return errors.Join(b.transaction(steps), b.Save())
}

// upTo returns the steps of a transaction up to the named one.
func upTo(name string) ([]Step, error) {
	var names []string
	for _, t := range Transactions() {
		for i, s := range t {
			if s.String() == name {
				return t[:i+1], nil
			}
			names = append(names, s.String())
		}
	}
	return nil, fmt.Errorf("boot step %s does not exist; the steps are %s", name, strings.Join(names, ", "))
}

// firstFailed returns the first of the steps that failed or was undone, nil if none was.
func (b *Boot) firstFailed(steps []Step) Step {
	for _, s := range steps {
		if st := b.state(s); st == report.Failed || st == report.Undone {
			return s
		}
	}
	return nil
}

// transaction runs steps. When one fails, it undoes the completed ones in reverse, and starts over if another stage can be
// chosen. The error is that of the last round.
func (b *Boot) transaction(steps []Step) error {
	for {
		b.alternative = false
		failed, err := b.runUntilFailure(steps)
		if err == nil {
			return nil
		}
		if undo := b.rollback(steps[:failed]); undo != nil {
			return errors.Join(err, undo) // another choice would be mixed with what is still mounted
		}
		if !b.alternative {
			return err
		}
		b.Report.Choice = report.Choice{}
	}
}

// runUntilFailure runs steps up to the first that fails, and returns its index.
func (b *Boot) runUntilFailure(steps []Step) (failed int, err error) {
	for i, s := range steps {
		if err := b.run(s); err != nil {
			return i, err
		}
	}
	return 0, nil
}

// rollback undoes the steps that are done, the last first, and goes on when one cannot be undone.
func (b *Boot) rollback(steps []Step) error {
	var errs []error
	for _, s := range slices.Backward(steps) {
		entry := b.entry(s)
		if entry.State != report.Done {
			continue
		}
		entry.State = report.Undone
		if err := Guard(func() error { return s.Undo(b) }); err != nil {
			err = fmt.Errorf("undo boot step %s: %w", s, err)
			entry.State, entry.Error = report.Failed, OneLine(err)
			errs = append(errs, err)
		}
		b.enter(entry)
	}
	return errors.Join(errs...)
}

// run runs one step unless the report says that it is done, and adds the result to the report.
func (b *Boot) run(s Step) error {
	if b.state(s) == report.Done {
		return nil
	}
	start := b.SinceBoot()
	note, err := b.do(s)
	entry := report.Step{Name: s.String(), State: report.Done, Note: note}
	entry.Seconds = (b.SinceBoot() - start).Round(time.Millisecond).Seconds()
	var skip Skip
	switch {
	case errors.As(err, &skip):
		entry.State, entry.Note, err = report.Skipped, skip.Error(), nil
	case err != nil:
		err = fmt.Errorf("%s: %w", s, err)
		entry.State, entry.Error = report.Failed, OneLine(err)
	}
	b.enter(entry)
	return err
}

// do does a step unless its Done says that it is done: the report of an earlier run may be lost.
func (b *Boot) do(s Step) (note string, err error) {
	err = Guard(func() error {
		done, err := s.Done(b)
		if err != nil || done {
			note = "already done"
			return err
		}
		return s.Do(b)
	})
	return note, err
}

// Guard calls f and returns a panic of it as an error. A panic of pkinit, which is process 1, would be a kernel panic.
func Guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}
