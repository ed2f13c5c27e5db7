package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
)

// directory adds an image to a layout.
func (t Target) directory(ctx context.Context, d v1.Descriptor, parts []blob, copied func(int64)) (err error) {
	if err := t.makeLayout(); err != nil {
		return err
	}
	unlock, err := t.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	index, err := t.index()
	if err != nil {
		return err
	}
	for _, b := range parts {
		if err := t.add(ctx, b, copied); err != nil {
			return err
		}
	}
	var replaced, kept []v1.Descriptor
	for _, m := range index.Manifests {
		if m.Annotations[v1.AnnotationRefName] == t.Tag {
			replaced = append(replaced, m)
		} else {
			kept = append(kept, m)
		}
	}
	index.Manifests = append(kept, d)
	slices.SortStableFunc(index.Manifests, func(a, b v1.Descriptor) int {
		return strings.Compare(a.Annotations[v1.AnnotationRefName], b.Annotations[v1.AnnotationRefName])
	})
	if err := replace(filepath.Join(t.Path, v1.ImageIndexFile), index); err != nil {
		return err
	}
	return t.sweep(replaced, index.Manifests)
}

// makeLayout creates the layout unless it exists.
func (t Target) makeLayout() error {
	entries, err := os.ReadDir(t.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	isPart := func(e fs.DirEntry) bool {
		return strings.HasPrefix(e.Name(), v1.ImageLayoutFile) || e.Name() == v1.ImageBlobsDir || e.Name() == v1.ImageIndexFile
	}
	for _, e := range entries {
		if !isPart(e) {
			return fmt.Errorf("directory contains %s, which does not belong to an image layout; name an empty directory", e.Name())
		}
	}
	if err := os.MkdirAll(filepath.Join(t.Path, v1.ImageBlobsDir, digest.Canonical.String()), 0o755); err != nil {
		return err
	}
	name := filepath.Join(t.Path, v1.ImageLayoutFile)
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return replace(name, version)
}

// lock locks the layout against other processes of this program.
func (t Target) lock(ctx context.Context) (unlock func() error, err error) {
	f, err := os.Open(t.Path)
	if err != nil {
		return nil, err
	}
	if err := atomicfile.Flock(ctx, f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}

// index reads the index of the layout, which may not exist.
func (t Target) index() (*v1.Index, error) {
	name := filepath.Join(t.Path, v1.ImageIndexFile)
	index := newIndex()
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return index, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, index); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return index, nil
}

// add copies a blob into the layout unless it has it.
func (t Target) add(ctx context.Context, b blob, copied func(int64)) error {
	name := filepath.Join(t.Path, b.path())
	if info, err := os.Stat(name); err == nil && info.Size() == b.size {
		if copied != nil {
			copied(b.size)
		}
		return nil
	}
	return atomicfile.Replace(ctx, name, func(f *os.File) error { return b.copy(ctx, f, copied) })
}

// sweep removes the blobs that only replaced images had. If another program added something to the layout that this one cannot
// parse, it removes nothing.
func (t Target) sweep(replaced, kept []v1.Descriptor) error {
	used := map[digest.Digest]bool{}
	for _, d := range kept {
		parts, ok := t.parts(d)
		if !ok {
			return nil
		}
		for _, part := range parts {
			used[part] = true
		}
	}
	var errs []error
	for _, d := range replaced {
		parts, ok := t.parts(d)
		for _, part := range parts {
			if !ok || used[part] {
				continue
			}
			used[part] = true
			if err := os.Remove(filepath.Join(t.Path, blob{digest: part}.path())); !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// parts returns the digests of an image's blobs, that of its manifest first, or false if it is not a plain image.
func (t Target) parts(d v1.Descriptor) (out []digest.Digest, ok bool) {
	if d.MediaType != v1.MediaTypeImageManifest || d.Digest.Validate() != nil {
		return nil, false
	}
	data, err := os.ReadFile(filepath.Join(t.Path, blob{digest: d.Digest}.path()))
	var m v1.Manifest
	if err != nil || json.Unmarshal(data, &m) != nil {
		return nil, false
	}
	out = []digest.Digest{d.Digest, m.Config.Digest}
	for _, l := range m.Layers {
		out = append(out, l.Digest)
	}
	return out, !slices.ContainsFunc(out, func(d digest.Digest) bool { return d.Validate() != nil })
}
