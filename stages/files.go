package stages

import (
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Files is the content of the two files of a stage store: the store file and boot-state.json. Its methods change
// nothing on the disk: they return the changed content, and the writes that the caller must make.
type Files struct {
	Store Store
	State BootState
}

// Write is a file in the store's directory and the content that has to replace it durably. If a change consists of
// several writes, they must be made in order: a power cut between them leaves a store that selects the old stage or the
// new one.
type Write struct {
	Name string
	Data []byte
}

// ReadFiles reads the two files of a stage store in order to change them. A missing store file means an empty store; a
// damaged one is an error, since a change would lose its content. An unreadable state file counts as missing: a change
// then loses the attempts, verdicts and marks, but no reference to a stage.
func ReadFiles(dir fs.FS) (Files, error) {
	data, err := fs.ReadFile(dir, StoreFile)
	f := Files{Store: EmptyStore()}
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return Files{}, fmt.Errorf("read the stage store: %w", err)
	default:
		if f.Store, err = ParseStore(data); err != nil {
			return Files{}, err
		}
	}
	f.State, _ = readBootState(dir)
	return f, nil
}

// SetNext returns the store's files with another next stage, of which the attempts, verdict and marks are removed, and
// the two writes that make the change on the disk; until the second one the old stage is next. Stage 0 means that the
// device starts without a stage.
func (f Files) SetNext(stage int) (Files, []Write, error) {
	if stage == 0 {
		return Files{f.Store.with(f.Store.Staged.WithNext(0)), f.State.withNone(true)}.writes(StateFile, StoreFile)
	}
	return Files{f.Store.with(f.Store.Staged.WithNext(stage)), f.State.WithoutRecord(stage)}.writes(StateFile, StoreFile)
}

// Judge returns the store's files with a verdict on a stage, and the writes that make the change on the disk. The store
// file, which decides what the next boot starts with, comes first.
func (f Files) Judge(stage int, result Result, at time.Time, reasons ...string) (Files, []Write, error) {
	state := f.State.WithVerdict(stage, result, at, reasons...)
	next := Files{f.Store.with(f.Store.Staged.WithVerdict(stage, result)), state.withNone(state.None && f.Store.Staged.Next == 0)}
	return next.writes(StoreFile, StateFile)
}

// Attempt returns the store's files with one more boot attempt counted for a stage, and the write that makes the change
// on the disk.
func (f Files) Attempt(stage int, at time.Time) (Files, []Write, error) {
	return Files{f.Store, f.State.WithAttempt(stage, at)}.writes(StateFile)
}

// Restage returns the store's files with other references to stages, such as names, and the write that makes the change
// on the disk.
func (f Files) Restage(staged Staged) (Files, []Write, error) {
	return Files{f.Store.with(staged), f.State}.writes(StoreFile)
}

// Forget returns the store's files without all that is recorded of a stage (attempts, verdict and marks), and the write
// that makes the change on the disk.
func (f Files) Forget(stage int) (Files, []Write, error) {
	return Files{f.Store, f.State.WithoutRecord(stage)}.writes(StateFile)
}

// writes returns the files and the writes of those named, in this order.
func (f Files) writes(names ...string) (Files, []Write, error) {
	marshal := map[string]func() ([]byte, error){StoreFile: f.Store.Marshal, StateFile: f.State.Marshal}
	var out []Write
	for _, name := range names {
		data, err := marshal[name]()
		if err != nil {
			return f, nil, err
		}
		out = append(out, Write{name, data})
	}
	return f, out, nil
}

// with returns the store with other references to stages.
func (s Store) with(staged Staged) Store {
	s.Staged = staged
	return s
}
