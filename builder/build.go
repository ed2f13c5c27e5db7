package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/layers/tree"
	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
)

// Options are where a build takes place. None of them changes a byte of the image.
type Options struct {
	Output  string         // path of the image; its block map and its SHA-256 come beside it
	Dir     string         // the recipe's directory, to which the plan's sources are relative
	Cache   string         // directory of the layers, shared between builds
	Shared  string         // cache of somebody else, whose layers are used and which is only read; may be empty
	Helpers string         // directory of the prebuilt helper programs
	Mirror  string         // of Debian, where the recipe names none; without it that of Mirror
	Mirrors mirror.Mirrors // of this machine, for what pallets require and download; only Resolve asks them
	Keep    bool           // what a layer that fails leaves is wanted for a look
	Events  func(Event)    // may be nil

	Compression disk.Compression // of the image
}

// Build makes the image that a plan describes. The file appears under its name only when it is complete.
func Build(ctx context.Context, p *Plan, o Options) (err error) {
	b, err := startBuild(ctx, p, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if b.unchanged() {
		return nil
	}
	if err := b.layers(ctx); err != nil {
		return err
	}
	if err := b.remember(); err != nil {
		return err
	}
	if _, err = b.image(ctx); err != nil {
		return err
	}
	return b.noteWritten()
}

// Tree makes the layers of a plan and returns what they are together. Its contents may be read until it is closed.
func Tree(ctx context.Context, p *Plan, o Options) (t *tree.Tree, done func() error, err error) {
	b, err := startBuild(ctx, p, o)
	if err != nil {
		return nil, nil, err
	}
	if err := b.layers(ctx); err != nil {
		return nil, nil, errors.Join(err, b.close())
	}
	return b.tree, b.close, nil
}

// startBuild begins a build, which must be closed.
func startBuild(ctx context.Context, p *Plan, o Options) (*build, error) {
	done, err := Cache{o.Cache}.use(ctx)
	if err != nil {
		return nil, err
	}
	return &build{plan: p, opts: o, store: o.store(), done: done, tree: tree.New(), key: layers.Root(p.Date)}, nil
}

func (o Options) store() layers.Store {
	s := Cache{o.Cache}.store()
	if o.Shared != "" {
		s.Shared = Cache{o.Shared}.store().Dir
	}
	return s
}

type build struct {
	plan  *Plan
	opts  Options
	store layers.Store
	done  func() error // ends the use of the cache
	tree  *tree.Tree   // of the layers so far
	key   layers.Key   // of the layers so far
	open  []io.Closer  // what its contents lie in
	made  []Made       // the layers so far

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

// layers makes all layers.
func (b *build) layers(ctx context.Context) error {
	for _, l := range b.plan.Layers {
		if err := b.layer(ctx, l); err != nil {
			return fmt.Errorf("layer %s: %w", l.Name, err)
		}
	}
	return nil
}

// layer makes one layer, or takes it from the cache if it may be there, and lays it over the tree.
func (b *build) layer(ctx context.Context, l Layer) error {
	key, err := layers.KeyOf(l.Layer, b.key)
	if err != nil {
		return err
	}
	b.key = key
	record, err := layers.NewRecord(l.Name, l.Layer)
	if err != nil {
		return err
	}
	b.made = append(b.made, Made{Key: key.String(), Record: record})
	e := b.begin(l.Name)
	e.Key = key.String()
	var tree *tree.Tree
	var cached bool
	if b.plan.stored()[len(b.made)-1] {
		tree, cached, err = b.get(ctx, l, key, record)
	} else {
		tree, err = b.unstored(ctx, l)
	}
	if cached {
		e.Message = unlocked(l, b.store, key)
	}
	if err == nil {
		err = b.tree.Apply(tree)
	}
	b.end(e, cached, err)
	return err
}

// storing is the message of what comes last: to write a layer takes as long as a disk does.
const storing = "storing the layer"

// get takes a layer from the store, which has it made where it is missing.
func (b *build) get(ctx context.Context, l Layer, key layers.Key, r layers.Record) (t *tree.Tree, cached bool, err error) {
	c, cached, err := b.store.Put(ctx, key, r, b.plan.Date, func(ctx context.Context) (*tree.Tree, error) {
		scratch := filepath.Join(b.opts.Cache, "scratch", key.String())
		// Nobody else makes this layer now: what is there was left behind by a build that was killed.
		if err := errors.Join(os.RemoveAll(scratch), os.MkdirAll(scratch, 0o755)); err != nil {
			return nil, err
		}
		t, err := b.makeIn(ctx, l, scratch)
		if err == nil {
			b.emit(Event{Step: l.Name, State: Running, Message: storing})
		}
		return t, err
	})
	if err != nil {
		return nil, false, err
	}
	b.open = append(b.open, c)
	return c.Tree, cached, nil
}

// makeIn makes a layer that needs a directory.
func (b *build) makeIn(ctx context.Context, l Layer, scratch string) (*tree.Tree, error) {
	t, err := l.Layer.Make(ctx, b.env(ctx, l, scratch), b.tree)
	if err != nil && b.opts.Keep && ctx.Err() == nil {
		return nil, fmt.Errorf("%w\nwhat it left is kept in %s", err, scratch)
	}
	return t, errors.Join(err, os.RemoveAll(scratch)) // contents of the tree lie in files that are open
}

// unstored makes a layer that the store may not have. What a script makes is read as the store would have it, from a file
// without a name.
func (b *build) unstored(ctx context.Context, l Layer) (t *tree.Tree, err error) {
	kind := l.Layer.Kind()
	if !kind.Copies && !kind.Scratch {
		return l.Layer.Make(ctx, b.env(ctx, l, ""), b.tree)
	}
	dir := filepath.Join(b.opts.Cache, "scratch")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp(dir, "")
	if err != nil {
		return nil, err
	}
	if t, err = b.makeIn(ctx, l, scratch); err != nil || !kind.Copies {
		return t, err
	}
	b.emit(Event{Step: l.Name, State: Running, Message: storing})
	f, err := os.CreateTemp(dir, "")
	if err != nil {
		return nil, err
	}
	b.open = append(b.open, f)
	if err := errors.Join(os.Remove(f.Name()), t.WriteTar(f, b.plan.Date)); err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return tree.ReadTar(f)
}

func (b *build) env(ctx context.Context, l Layer, scratch string) *layers.Env {
	return &layers.Env{
		Dir:     b.opts.Dir,
		Helpers: b.opts.Helpers,
		Scratch: scratch,
		Keep:    b.opts.Keep,
		Cache:   b.opts.Cache,
		Shared:  b.opts.Shared,
		Mirror:  b.mirror(ctx, l),
		Latest:  b.plan.Date,
		Secret:  b.secret,
		Progress: func(p layers.Progress) {
			state := Running
			if p.Warning {
				state = Warning
			}
			b.emit(Event{Step: l.Name, State: state, Message: p.Message, Done: p.Done, Total: p.Total})
		},
	}
}

// mirror is looked up for packages that have to be downloaded alone: to ask apt takes a while.
func (b *build) mirror(ctx context.Context, l Layer) string {
	d, packages := l.Layer.(debian.Layer)
	if !packages || b.opts.Mirror != "" || d.Held(b.opts.Cache) {
		return b.opts.Mirror
	}
	return Mirror(ctx)
}

// secret looks up the value of a secret where the plan says; nil if there is none.
func (b *build) secret(name string) ([]byte, error) {
	s, ok := b.plan.Secrets[name]
	if !ok {
		return nil, fmt.Errorf("the plan knows no secret %s", name)
	}
	if s.Env != "" {
		return []byte(os.Getenv(s.Env)), nil
	}
	data, err := os.ReadFile(layers.Locate(b.opts.Dir, s.File))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return []byte(strings.TrimRight(string(data), "\r\n")), err
}

// image writes the disk.
func (b *build) image(ctx context.Context) (d *disk.Disk, err error) {
	e := b.begin("disk")
	defer func() { b.end(e, false, err) }()
	if d, err = disk.Prepare(b.tree, b.plan.Disk); err != nil {
		return nil, fmt.Errorf("write %s: %w", b.opts.Output, err)
	}
	if err := os.MkdirAll(filepath.Dir(b.opts.Output), 0o755); err != nil {
		return nil, err
	}
	b.result, err = d.Create(ctx, b.opts.Output, disk.Options{
		Compression: b.opts.Compression,
		Progress:    func(done, total int64) { b.emit(Event{Step: "disk", State: Running, Done: done, Total: total}) },
	})
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", b.opts.Output, err)
	}
	e.Message = fmt.Sprintf("%s: %s, %s of it data, SHA-256 %s",
		b.opts.Output, humanize.IBytes(uint64(b.result.Size)), humanize.IBytes(uint64(b.result.Mapped)), b.result.SHA256)
	return d, nil
}

func (b *build) emit(e Event) {
	e.Time = time.Now()
	if e.State == Warning {
		b.warnings = append(b.warnings, e)
	}
	if b.opts.Events != nil {
		b.opts.Events(e)
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
