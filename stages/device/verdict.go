package device

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// Verdict is the verdict on a stage, with its time and reasons, and the number of boots without a verdict.
type Verdict struct {
	Stage    int           `json:"stage"`
	Result   stages.Result `json:"result"`
	When     string        `json:"when,omitempty"` // RFC 3339
	Attempts int           `json:"attempts"`       // boots without a verdict
	Reasons  []string      `json:"reasons"`
}

// Verdict returns the verdict on a stage, given by number, name or role; "" means the running stage. A stage without a
// verdict is pending.
func (d Device) Verdict(name string) (Verdict, error) {
	n, err := d.judged(name, d.Resolve)
	if err != nil {
		return Verdict{}, err
	}
	return d.verdict(n)
}

func (d Device) verdict(n int) (Verdict, error) {
	s, err := d.snapshot()
	if err != nil {
		return Verdict{}, err
	}
	record := s.State.Stages[n]
	v := Verdict{n, record.Result, "", record.Attempts, append([]string{}, record.Reasons...)}
	if !record.Last.IsZero() {
		v.When = rfc3339(record.Last)
	}
	if v.Result == "" {
		v.Result = stages.Pending
		if slices.Contains(s.Staged.History, n) {
			v.Result = stages.Good // recorded by Forklift, which keeps no times
		}
	}
	return v, nil
}

// Judge records a verdict (good, failed or pending) without reasons on a stage, given by its number, name or role, and
// returns it. An empty name means the running stage; if none is running, it fails.
func (d Device) Judge(ctx context.Context, name string, result stages.Result, at time.Time) (Verdict, error) {
	var n int
	err := d.changeStore(ctx, func(s *store.Store) (err error) {
		n, err = d.judged(name, func(name string) (int, error) { return d.resolveIn(s, name) })
		if err != nil {
			return err
		}
		return s.Judge(n, result, at)
	})
	if err != nil {
		return Verdict{}, err
	}
	return d.verdict(n)
}

// judged returns the stage that a verdict is on.
func (d Device) judged(name string, resolve func(string) (int, error)) (int, error) {
	if name != "" {
		return resolve(name)
	}
	n, err := d.Running()
	if err == nil && n == 0 {
		err = errors.New("no stage is running: name one with --stage")
	}
	return n, err
}
