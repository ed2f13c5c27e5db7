package device

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/report"
	"github.com/PlanktoScope/pkbuild/stages/request"
)

// RequestNext durably requests a stage or overrides for the next boot only, in place of an earlier request. It fails if
// the stage cannot be used, and for a reset.
func (d Device) RequestNext(ctx context.Context, r report.Request) error {
	if r.Reset != "" {
		return errors.New("reset is not for pkctl boot: use pkctl reset")
	}
	if r.Stage != "" {
		snapshot, err := d.snapshot()
		if err != nil {
			return err
		}
		if _, err := stages.Requested(snapshot, os.DirFS(d.Store), r); err != nil {
			return err
		}
	}
	return d.changeState(ctx, func() error { return d.write(request.NextFile, request.Next(r)) })
}

// CancelRequest removes the request for the next boot (of pkctl boot --next), even if it cannot be read, and reports
// whether there was one.
func (d Device) CancelRequest(ctx context.Context) (requested bool, err error) {
	err = d.changeState(ctx, func() error {
		err := atomicfile.Remove(filepath.Join(d.State, request.NextFile))
		requested = err == nil
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return requested, err
}

// Request returns what pkctl boot --next requested for the next boot; the zero value if nothing.
func (d Device) Request() (report.Request, error) {
	r, err := read(d, request.NextFile, request.ParseNext)
	if r != (report.Request{}) {
		r.Source = "pkctl boot --next"
	}
	return r, err
}

// requested returns the choice of the next boot with its request, or the given choice if there is no request or it cannot
// be met.
func (n *NextBoot) requested(d Device, s stages.Snapshot, choice stages.Choice) stages.Choice {
	r, err := d.Request()
	if err != nil {
		n.problem("nothing is requested of the next boot: %v (pkctl boot --cancel removes the file)", err)
		return choice
	}
	if r.Overrides == "off" {
		n.Overrides = report.OffOverrides
	}
	if r.Stage == "" {
		return choice
	}
	met, err := stages.Requested(s, os.DirFS(d.Store), r)
	if err != nil {
		n.problem("stage=%s was requested by %s: %s", r.Stage, r.Source, oneLine(err))
		return choice
	}
	return met
}
