package apply

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// Dir is the directory of a stage store, and implements Store. It locks the store only while it records a verdict.
type Dir string

// Judge durably records a verdict on a stage, with its reasons. It waits for the lock of the store until ctx ends.
func (d Dir) Judge(ctx context.Context, stage int, result stages.Result, at time.Time, reasons []string) error {
	sys, err := store.Linux(string(d))
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, sys)
	if err != nil {
		return err
	}
	return errors.Join(s.Judge(stage, result, at, reasons...), s.Close())
}

// Select returns the stage that the next boot would start, without regard to a request or a reset. The choice is usable
// despite an error, which says what could not be read.
func (d Dir) Select() (stages.Choice, error) {
	snapshot, err := stages.Load(os.DirFS(string(d)))
	return stages.Select(snapshot), err
}
