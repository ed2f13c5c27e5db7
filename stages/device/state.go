package device

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/overlays/override"
)

// stateLock is the file in the state directory that is locked by whoever changes the others. Only root can open it: who
// can read a file can lock it, and keep others waiting.
const stateLock = ".lock"

// changeState runs a change of the files in the state directory under their lock.
func (d Device) changeState(ctx context.Context, change func() error) (err error) {
	unlock, err := atomicfile.LockWithin(ctx, filepath.Join(d.State, stateLock), time.Minute)
	if err != nil {
		return d.stateError(err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return d.stateError(change())
}

// read parses a file of the state directory; the zero value if there is none.
func read[T any](d Device, name string, parse func([]byte) (T, error)) (v T, err error) {
	path := filepath.Join(d.State, name)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return v, nil
	}
	if err != nil {
		return v, d.stateError(err)
	}
	if v, err = parse(data); err != nil {
		return v, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// write replaces a file of the state directory. The caller holds the lock.
func (d Device) write(name string, v interface{ Marshal() ([]byte, error) }) error {
	data, err := v.Marshal()
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(d.State, name), data, 0o644)
}

func (d Device) ledger() (override.Ledger, error) {
	return read(d, override.LedgerFile, override.ParseLedger)
}

func (d Device) queue() (override.Queue, error) {
	return read(d, override.QueueFile, override.ParseQueue)
}

// QueuedReset returns the factory reset that is queued for the next boot; the zero value if none is. Its stage is 0 if
// pkinit has done its part and only Purge is left.
func (d Device) QueuedReset() (override.Reset, error) {
	return read(d, override.ResetFile, override.ParseReset)
}
