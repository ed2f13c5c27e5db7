package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// layers builds all layers.
func (b *build) layers(ctx context.Context) error {
	for _, l := range b.plan.Layers {
		if err := b.layer(ctx, l); err != nil {
			return fmt.Errorf("layer %s: %w", l.Name, err)
		}
	}
	return nil
}

// layer applies one layer to the tree, from the cache if it has the layer.
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
	b.built = append(b.built, builtLayer{Key: key.String(), Record: record})
	e := b.begin(l.Name)
	e.Key = key.String()
	var tree *tree.Tree
	var cached bool
	if b.plan.stored()[len(b.built)-1] {
		tree, cached, err = b.get(ctx, l, key, record)
	} else {
		tree, err = b.buildUncached(ctx, l)
	}
	if cached {
		e.Message = unlockedNote(l, b.store, key)
	}
	if err == nil {
		err = b.tree.Apply(tree)
	}
	b.end(e, cached, err)
	return err
}

// storing is the message of the last part of a step, which takes as long as writing the layer to the disk.
const storing = "storing the layer"

// get returns a layer from the cache, and builds it if the cache lacks it.
func (b *build) get(ctx context.Context, l Layer, key layers.Key, r layers.Record) (t *tree.Tree, cached bool, err error) {
	c, cached, err := b.store.Put(ctx, key, r, b.plan.Date, func(ctx context.Context) (*tree.Tree, error) {
		scratch := filepath.Join(b.Cache, "scratch", key.String())
		// The store holds the lock of this layer, so an existing directory is the leftover of a killed build.
		if err := errors.Join(os.RemoveAll(scratch), os.MkdirAll(scratch, 0o755)); err != nil {
			return nil, err
		}
		t, err := b.buildIn(ctx, l, scratch)
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

// buildIn builds a layer in a scratch directory, which it removes.
func (b *build) buildIn(ctx context.Context, l Layer, scratch string) (*tree.Tree, error) {
	t, err := l.Layer.Make(ctx, b.env(ctx, l, scratch), b.tree)
	if err != nil && b.KeepFailed && ctx.Err() == nil {
		return nil, fmt.Errorf("%w\nscratch directory kept: %s", err, scratch)
	}
	return t, errors.Join(err, os.RemoveAll(scratch)) // open files keep the contents of the tree
}

// buildUncached builds a layer that must not be cached. The contents of one that copies from the tree are moved to an
// unlinked file, in the form in which the cache would hold them.
func (b *build) buildUncached(ctx context.Context, l Layer) (t *tree.Tree, err error) {
	kind := l.Layer.Kind()
	if !kind.Copies && !kind.Scratch {
		return l.Layer.Make(ctx, b.env(ctx, l, ""), b.tree)
	}
	dir := filepath.Join(b.Cache, "scratch")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp(dir, "")
	if err != nil {
		return nil, err
	}
	if t, err = b.buildIn(ctx, l, scratch); err != nil || !kind.Copies {
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
		Dir:     b.Dir,
		Helpers: b.Helpers,
		Scratch: scratch,
		Keep:    b.KeepFailed,
		Cache:   b.Cache,
		Shared:  b.Shared,
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

// mirror returns the Debian mirror for a layer. It runs apt, which is slow, only for packages that must be downloaded.
func (b *build) mirror(ctx context.Context, l Layer) string {
	d, packages := l.Layer.(debian.Layer)
	if !packages || b.Mirror != "" || d.Held(b.Cache) {
		return b.Mirror
	}
	return Mirror(ctx)
}

// secret returns the value of a secret, or nil if it has none.
func (b *build) secret(name string) ([]byte, error) {
	s, ok := b.plan.Secrets[name]
	if !ok {
		return nil, fmt.Errorf("secret %s, which a layer needs, is not in the plan", name)
	}
	if s.Env != "" {
		return []byte(os.Getenv(s.Env)), nil
	}
	data, err := os.ReadFile(layers.Locate(b.Dir, s.File))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return []byte(strings.TrimRight(string(data), "\r\n")), err
}
