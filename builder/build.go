package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/internal/output"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Caches are the directories of the build cache: one that builds write, and an optional read-only one for what the
// first lacks.
type Caches struct {
	Cache  string // written, and shared between builds
	Shared string // only read; may be empty
}

func (c Caches) store() layers.Store {
	s := Cache{c.Cache}.store()
	if c.Shared != "" {
		s.Shared = Cache{c.Shared}.store().Dir
	}
	return s
}

// Workspace is the environment of a build: caches, directories, mirror and event callback. The result does not depend
// on it.
type Workspace struct {
	Caches
	Dir        string      // of the recipe: the plan's sources are relative to it
	Helpers    string      // directory of the prebuilt helper programs
	Mirror     string      // of Debian, where the recipe names none; empty: the result of Mirror
	KeepFailed bool        // keep the scratch directory of a failed layer
	Events     func(Event) // may be nil
}

// Output is the path and the compression of a disk image. A regular file gets a block map and a SHA-256 file beside it.
type Output struct {
	Path        string
	Compression disk.Compression
}

// Build writes the disk image of a plan. The file gets its name when it is complete. An image that an earlier build wrote
// there from the same plan, and that is unchanged since, is left alone, unless the plan has a secret.
func Build(ctx context.Context, p *Plan, w Workspace, out Output) (err error) {
	to, err := output.Resolve(out.Path)
	if err != nil {
		return err
	}
	if !to.IsStream() {
		out.Path = to.File
	}
	b, err := startBuild(ctx, p, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	b.out = out
	if !to.IsStream() && b.upToDate() {
		return nil
	}
	if err := b.layers(ctx); err != nil {
		return err
	}
	if err := b.saveHistory(); err != nil {
		return err
	}
	if _, err = b.image(ctx); err != nil || to.IsStream() {
		return err
	}
	return b.saveImageRecord()
}

// Tree builds the layers of a plan and returns the merged root file system. Its file contents can be read until the caller
// calls done, which it must do unless Tree fails.
func Tree(ctx context.Context, p *Plan, w Workspace) (t *tree.Tree, done func() error, err error) {
	b, err := startBuild(ctx, p, w)
	if err != nil {
		return nil, nil, err
	}
	if err := b.layers(ctx); err != nil {
		return nil, nil, errors.Join(err, b.close())
	}
	return b.tree, b.close, nil
}

// startBuild starts a build, which must be closed.
func startBuild(ctx context.Context, p *Plan, w Workspace) (*build, error) {
	done, err := Cache{w.Cache}.use(ctx)
	if err != nil {
		return nil, err
	}
	return &build{plan: p, Workspace: w, store: w.store(), done: done, tree: tree.New(), key: layers.Root(p.Date)}, nil
}

// build is a build of a plan.
type build struct {
	Workspace
	plan  *Plan
	out   Output // of a disk image
	store layers.Store
	done  func() error // releases the cache
	tree  *tree.Tree   // of the layers so far
	key   layers.Key   // of the layers so far
	open  []io.Closer  // files with the contents of the tree
	built []builtLayer // the layers so far

	result   disk.Result
	warnings []Event
}

func (b *build) close() error {
	var errs []error
	for _, c := range b.open {
		errs = append(errs, c.Close())
	}
	return errors.Join(append(errs, b.done())...)
}

// image writes the disk image.
func (b *build) image(ctx context.Context) (d *disk.Disk, err error) {
	e := b.begin("disk")
	defer func() { b.end(e, false, err) }()
	if d, err = disk.Prepare(b.tree, b.plan.Disk); err != nil {
		return nil, fmt.Errorf("write %s: %w", b.out.Path, err)
	}
	if err := os.MkdirAll(filepath.Dir(b.out.Path), 0o755); err != nil {
		return nil, err
	}
	b.result, err = d.Create(ctx, b.out.Path, disk.Options{
		Compression: b.out.Compression,
		Progress:    func(done, total int64) { b.emit(Event{Step: "disk", State: Running, Done: done, Total: total}) },
	})
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", b.out.Path, err)
	}
	e.Message = fmt.Sprintf("%s: %s, %s of it data, SHA-256 %s",
		b.out.Path, humanize.IBytes(uint64(b.result.Size)), humanize.IBytes(uint64(b.result.Mapped)), b.result.SHA256)
	return d, nil
}

func (b *build) emit(e Event) {
	e.Time = time.Now()
	if e.State == Warning {
		b.warnings = append(b.warnings, e)
	}
	if b.Events != nil {
		b.Events(e)
	}
}

func (b *build) begin(step string) Event {
	e := Event{Time: time.Now(), Step: step, State: Started}
	b.emit(e)
	return e
}

func (b *build) end(e Event, cached bool, err error) {
	e.State = Finished
	if cached {
		e.State = Cached
	}
	if err != nil {
		e.State, e.Message = Failed, err.Error()
	}
	e.Seconds = time.Since(e.Time).Seconds()
	b.emit(e)
}
