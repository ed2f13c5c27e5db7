package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/layers/ext4"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// madeExt4 is what pkbuild mkext4 has made; sizes are in bytes.
type madeExt4 struct {
	File       string `json:"file"`
	Size       int64  `json:"size"`
	Free       int64  `json:"free"`     // for all users
	Reserved   int64  `json:"reserved"` // for root alone, besides
	Inodes     uint32 `json:"inodes"`
	FreeInodes uint32 `json:"free_inodes"`
	Entries    int64  `json:"entries"` // of the tree, the root among them
	UUID       string `json:"uuid"`
	Label      string `json:"label"`
	Made       string `json:"made"` // the file system's own time of making
}

// make reads the tree and writes the file system.
func (m *mkext4) make(ctx context.Context, stderr io.Writer) (*madeExt4, error) {
	tree, contents, err := m.read(ctx)
	if err != nil {
		return nil, err
	}
	defer contents.Close()
	for _, name := range tree.RemoveWhiteouts() {
		fmt.Fprintf(stderr, "pkbuild: /%s deletes what lies in a layer below, and there is none: it is left out\n", name)
	}
	if err := m.complete(tree); err != nil {
		return nil, err
	}
	var usage ext4.Usage
	err = atomicfile.Replace(ctx, m.output, func(f *os.File) error {
		if err := ext4.Write(ctx, f, 0, tree, m.options); err != nil {
			return err
		}
		usage, err = ext4.ReadUsage(f, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &madeExt4{
		File: m.output, Size: m.options.Size, Free: usage.Free - usage.Reserved, Reserved: usage.Reserved,
		Inodes: usage.Inodes, FreeInodes: usage.FreeInodes, Entries: m.entries, Label: m.label,
		UUID: uuid.UUID(usage.UUID).String(), Made: m.options.Now.UTC().Format(time.RFC3339),
	}, nil
}

// read makes a tree of the source. Its contents are there until the closer is closed.
func (m *mkext4) read(ctx context.Context) (*tree.Tree, io.Closer, error) {
	dir := filepath.Dir(m.output)
	if m.source == "-" {
		return readInput(ctx, dir)
	}
	f, err := os.Open(m.source)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil || !info.IsDir() {
		tree, contents, err := tree.ReadArchive(ctx, f, dir)
		if contents != f {
			err = errors.Join(err, f.Close())
		}
		return closing(tree, contents, err)
	}
	if within(m.output, m.source) {
		return nil, nil, errors.Join(errors.New("the output lies in the directory that is read: write it elsewhere"), f.Close())
	}
	tree, err := tree.ReadDir(m.source)
	return tree, f, err
}

// readInput reads the standard input. A read of it cannot be called off: where nobody waits any more, it is left alone.
func readInput(ctx context.Context, dir string) (files *tree.Tree, contents io.Closer, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		files, contents, err = closing(tree.ReadArchive(ctx, os.Stdin, dir))
	}()
	select {
	case <-done:
		return files, contents, err
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// closing drops the type of a file, which would make an interface of a nil one.
func closing(t *tree.Tree, f *os.File, err error) (*tree.Tree, io.Closer, error) {
	return t, f, err
}

// within tells whether a file that may not exist lies below a directory.
func within(file, dir string) bool {
	parent, err1 := filepath.EvalSymlinks(filepath.Dir(file))
	top, err2 := filepath.EvalSymlinks(dir)
	parent, err3 := filepath.Abs(parent)
	top, err4 := filepath.Abs(top)
	rel, err5 := filepath.Rel(top, parent)
	return errors.Join(err1, err2, err3, err4, err5) == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// madeAt is the time of the youngest entry, if that is after 1970 and not in the future, which e2fsck takes for a
// mistake.
func madeAt(tree *tree.Tree) time.Time {
	made, first, now := tree.Youngest(), time.Unix(0, 0), time.Now()
	switch {
	case made.Before(first):
		return first
	case made.After(now):
		return now
	}
	return made
}

// sizeUnit is what a size that nobody gave is a multiple of.
const sizeUnit = 1 << 20

// complete decides what was left open: the UUID and the time by the tree, the size by what it needs.
func (m *mkext4) complete(tree *tree.Tree) error {
	for range tree.Walk() {
		m.entries++
	}
	if m.options.UUID == uuid.Nil {
		digest := tree.MetadataDigest()
		m.options.UUID = uuid.NewSHA1(uuid.NameSpaceURL, append(digest[:], m.label...))
	}
	if m.options.Now.IsZero() {
		m.options.Now = madeAt(tree)
	}
	if !m.sizeGiven {
		o := m.options
		o.Align = sizeUnit
		var err error
		m.options.Size, err = ext4.MinSize(tree, o, m.freeBytes)
		return err
	}
	need, err := ext4.MinSize(tree, m.options, 0)
	if err == nil && need > m.options.Size {
		err = fmt.Errorf("the tree needs %d bytes (%s), and --size is %d", need, inMiB(need), m.options.Size)
	}
	return err
}
