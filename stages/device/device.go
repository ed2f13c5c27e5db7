package device

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	pkimages "github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/apply"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
	"github.com/PlanktoScope/pkbuild/stages/report"
	"github.com/PlanktoScope/pkbuild/stages/store"
	"github.com/PlanktoScope/pkbuild/stages/transfer"
)

// Docker is the interface to the Docker daemon that Device uses; docker.Client implements it.
type Docker interface {
	images.Docker
	transfer.Docker
}

// Device gives access to the stages and state files of a device. Its callback functions may be nil.
type Device struct {
	Store   string // directory of the stage store
	State   string // directory of the ledger of overrides and of what is queued for the next boot
	Boot    string // pkinit's report of this boot
	Applied string // report of applying the stage of this boot
	Root    string // directory of the running system's files, such as device nodes; "" for /
	Docker  Docker

	Warn       func(error)          // receives what could not be read and is not needed
	OnFetch    func(images.Event)   // receives the progress of pulling images
	OnTransfer func(transfer.Event) // receives the progress of exports and imports

	// Describe returns an image of a registry without its layers; nil: the sizes of images are not known before a pull.
	Describe func(ctx context.Context, platform, name string) (pkimages.Image, error)
	Space    func(path string) (transfer.Space, error) // nil: free space is not checked before a pull
}

func (d Device) warn(err error) {
	if err != nil && d.Warn != nil {
		d.Warn(err)
	}
}

// changeStore opens the stage store under its lock, changes it and closes it.
func (d Device) changeStore(ctx context.Context, change func(*store.Store) error) error {
	sys, err := store.Linux(d.Store)
	if err != nil {
		return d.storeError(err)
	}
	s, err := store.Open(ctx, sys)
	if err != nil {
		return d.storeError(err)
	}
	return errors.Join(change(s), s.Close())
}

// addToStore is changeStore for a change that adds a stage: it makes the directory where it is missing.
func (d Device) addToStore(ctx context.Context, change func(*store.Store) error) error {
	if err := os.MkdirAll(d.Store, 0o755); err != nil {
		return d.storeError(err)
	}
	return d.changeStore(ctx, change)
}

// BootReport returns pkinit's report of this boot. It fails with fs.ErrNotExist if pkinit did not start this boot.
func (d Device) BootReport() (boot report.Boot, err error) {
	data, err := os.ReadFile(d.Boot)
	if errors.Is(err, fs.ErrNotExist) {
		return boot, fmt.Errorf("boot report %s: %w: pkinit did not start this boot", d.Boot, fs.ErrNotExist)
	}
	if err != nil {
		return boot, fmt.Errorf("read the boot report: %w", err)
	}
	if err := json.Unmarshal(data, &boot); err != nil {
		return boot, fmt.Errorf("parse the boot report %s: %w", d.Boot, err)
	}
	return boot, nil
}

// Running returns the number of the stage of this boot; 0 if there is none or no boot report.
func (d Device) Running() (int, error) {
	boot, err := d.BootReport()
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return boot.Choice.Stage, err
}

// ApplyReport returns the report of pkctl stage apply in this boot; nil if it has not run.
func (d Device) ApplyReport() (*apply.Report, error) {
	data, err := os.ReadFile(d.Applied)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the report of pkctl stage apply: %w", err)
	}
	r, err := apply.ParseReport(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Applied, err)
	}
	return &r, nil
}

// snapshot reads the store without its lock. The snapshot is usable despite an error, as that of stages.Load. An empty
// store, which has no store file yet, is no error.
func (d Device) snapshot() (stages.Snapshot, error) {
	s, err := stages.Load(os.DirFS(d.Store))
	if _, stat := os.Stat(d.Store); stat == nil && errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	return s, d.storeError(err)
}

// record reads which images stages needed.
func (d Device) record() (images.Record, error) {
	r, err := images.ReadRecord(d.Store)
	return r, d.storeError(err)
}

func rfc3339(t time.Time) string { return t.Format(time.RFC3339) }
