package initsteps

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/initsteps/report"
)

// Runner runs steps and keeps the report of them.
type Runner struct {
	Boot
	Print func(line string) // what happens, for the console
}

// All runs every step. The error joins those of the steps, which are in the report too; the boot can go on whatever
// it is.
func (r *Runner) All() error {
	var errs []error
	for _, t := range Transactions() {
		errs = append(errs, r.transaction(t))
	}
	return errors.Join(errs...)
}

// transaction runs steps, and undoes those that are done when one fails.
func (r *Runner) transaction(steps []Step) error {
	for i, s := range steps {
		if err := r.run(s); err != nil {
			return errors.Join(err, r.rollback(steps[:i]))
		}
	}
	return nil
}

// rollback undoes the steps that are done, the last first.
func (r *Runner) rollback(steps []Step) error {
	var errs []error
	for _, s := range slices.Backward(steps) {
		if r.state(s) != report.Done {
			continue
		}
		entry := report.Step{Name: s.String(), State: report.Undone}
		if err := guard(func() error { return s.Undo(&r.Boot) }); err != nil {
			err = fmt.Errorf("undo %s: %w", s, err)
			entry.State, entry.Error = report.Failed, oneLine(err)
			r.Problem("%s", entry.Error)
			errs = append(errs, err)
		}
		r.enter(entry)
	}
	return errors.Join(errs...)
}

// run runs one step and enters what became of it.
func (r *Runner) run(s Step) error {
	start := r.SinceBoot()
	entry := report.Step{Name: s.String(), State: report.Done}
	err := guard(func() error {
		done, err := s.Done(&r.Boot)
		if err != nil || done {
			return err
		}
		return s.Do(&r.Boot)
	})
	entry.Seconds = seconds(r.SinceBoot() - start)
	var skip Skip
	switch {
	case errors.As(err, &skip):
		entry.State, entry.Note, err = report.Skipped, skip.Error(), nil
	case err != nil:
		err = fmt.Errorf("%s: %w", s, err)
		entry.State, entry.Error = report.Failed, oneLine(err)
		r.Problem("%s", entry.Error)
	}
	r.enter(entry)
	return err
}

// enter puts the outcome of a step into the report, in place of an earlier one.
func (r *Runner) enter(entry report.Step) {
	r.Print(line(entry))
	i := slices.IndexFunc(r.Report.Steps, func(s report.Step) bool { return s.Name == entry.Name })
	if i < 0 {
		r.Report.Steps = append(r.Report.Steps, entry)
		return
	}
	r.Report.Steps[i] = entry
}

func line(s report.Step) string {
	text := fmt.Sprintf("%s: %s", s.Name, s.State)
	if s.Note != "" {
		text += " (" + s.Note + ")"
	}
	if s.Error != "" {
		text += ": " + s.Error
	}
	return text
}

// Save writes the report.
func (r *Runner) Save() error {
	data, err := json.MarshalIndent(r.Report, "", "  ")
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if err := r.Mkdir(path.Dir(report.Path), directory); err != nil {
		return err
	}
	return r.WriteFile(report.Path, append(data, '\n'), 0o644)
}

// Load reads the report of this boot; an empty one if there is none yet.
func Load(s System) (*report.Boot, error) {
	data, err := s.ReadFile(report.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return &report.Boot{Version: report.Version, Problems: []string{}}, nil
	}
	if err != nil {
		return nil, err
	}
	b := &report.Boot{}
	if err := json.Unmarshal(data, b); err != nil {
		return nil, fmt.Errorf("parse %s: %w", report.Path, err)
	}
	return b, nil
}

// guard turns a panic into an error: none may end the boot.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// One runs the step of a name and writes the report. The first step of a boot has the stage selected before it; one
// whose transaction has failed is skipped.
func (r *Runner) One(name string) error {
	before, step, err := find(name)
	if err != nil {
		return err
	}
	err = r.run(SelectStage{})
	for _, s := range before {
		if st := r.state(s); st == report.Failed || st == report.Undone {
			r.enter(report.Step{Name: name, State: report.Skipped, Note: fmt.Sprintf("%s is %s", s, st)})
			return errors.Join(err, r.Save())
		}
	}
	if stepErr := r.run(step); stepErr != nil {
		err = errors.Join(err, stepErr, r.rollback(before))
	}
	return errors.Join(err, r.Save())
}

// find returns the step of a name and those before it in its transaction.
func find(name string) (before []Step, step Step, err error) {
	var names []string
	for _, t := range Transactions() {
		for i, s := range t {
			if s.String() == name {
				return t[:i], s, nil
			}
			names = append(names, s.String())
		}
	}
	return nil, nil, fmt.Errorf("no step is called %s; there are %s", name, strings.Join(names, ", "))
}
