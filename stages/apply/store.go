package apply

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// Dir implements Store for a stage store in a directory. It locks the store only while it records a verdict.
type Dir string

// Judge implements Store.
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

// Select implements Store.
func (d Dir) Select() (stages.Choice, error) {
	snapshot, err := stages.Load(os.DirFS(string(d)))
	return stages.Select(snapshot), err
}
