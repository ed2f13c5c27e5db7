// Package ext4image writes a directory or a tar to a file with an ext4 file system. Equal trees give equal bytes.
package ext4image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/PlanktoScope/pkbuild/internal/output"
	"github.com/PlanktoScope/pkbuild/internal/paths"
	"github.com/PlanktoScope/pkbuild/layers/ext4"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Options are the input (a directory or tar archive) and output of Write, and the properties of the ext4 file system.
// Sizes are in bytes.
type Options struct {
	Source string       // a directory or a tar; "-" is the standard input
	Output string       // a file, which is replaced when the image is complete
	Size   int64        // of the file system; 0: the smallest number of MiB that the tree and Free need
	Free   int64        // free space for ordinary users if Size is 0
	Label  string       // at most 16 bytes
	UUID   uuid.UUID    // zero: derived from the tree and the label
	Now    time.Time    // time of creation; zero: that of the youngest entry
	Warn   func(string) // receives a line for each entry that is left out
}

// Image describes a written ext4 image: its file, UUID, label, sizes in bytes and numbers of inodes.
type Image struct {
	File       string `json:"file"`
	Size       int64  `json:"size"`
	Free       int64  `json:"free"`     // for all users
	Reserved   int64  `json:"reserved"` // for root only, in addition
	Inodes     uint32 `json:"inodes"`
	FreeInodes uint32 `json:"free_inodes"`
	Entries    int64  `json:"entries"` // including the root directory
	UUID       string `json:"uuid"`
	Label      string `json:"label"`
	Made       string `json:"made"` // time of creation
}

// reservedPercent of the blocks are reserved for root, as in a file system made by mke2fs.
const reservedPercent = 5

// sizeUnit is the unit of a derived size.
const sizeUnit = 1 << 20

// Write writes an ext4 file system to the output that the options name, and returns its size, free space and UUID. If it
// fails, the output is unchanged.
func Write(ctx context.Context, o Options) (*Image, error) {
	to, err := output.Resolve(o.Output)
	if err != nil {
		return nil, err
	}
	if err := to.RequireFile("an ext4 file system"); err != nil {
		return nil, err
	}
	tree, contents, err := read(ctx, o)
	if err != nil {
		return nil, err
	}
	defer contents.Close()
	for _, name := range tree.RemoveWhiteouts() {
		o.Warn(fmt.Sprintf("whiteout /%s is left out: there is no layer below", name))
	}
	layout, err := o.layout(tree)
	if err != nil {
		return nil, err
	}
	var usage ext4.Usage
	err = to.Write(ctx, func(f *os.File) error {
		if err := ext4.Write(ctx, f, 0, tree, layout); err != nil {
			return err
		}
		usage, err = ext4.ReadUsage(f, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	entries := int64(0)
	for range tree.Walk() {
		entries++
	}
	return &Image{
		File: o.Output, Size: layout.Size, Free: usage.Free - usage.Reserved, Reserved: usage.Reserved,
		Inodes: usage.Inodes, FreeInodes: usage.FreeInodes, Entries: entries, Label: o.Label,
		UUID: uuid.UUID(usage.UUID).String(), Made: layout.Now.UTC().Format(time.RFC3339),
	}, nil
}

// layout returns the options of the file system, with the UUID, time and size derived from the tree where they are zero.
func (o Options) layout(tree *tree.Tree) (ext4.Options, error) {
	out := ext4.Options{Size: o.Size, Label: o.Label, UUID: o.UUID, Now: o.Now, ReservedPercent: reservedPercent}
	if out.UUID == uuid.Nil {
		digest := tree.MetadataDigest()
		out.UUID = uuid.NewSHA1(uuid.NameSpaceURL, append(digest[:], o.Label...))
	}
	if out.Now.IsZero() {
		out.Now = creationTime(tree.Youngest(), time.Now())
	}
	if o.Size == 0 {
		aligned := out
		aligned.Align = sizeUnit
		var err error
		out.Size, err = ext4.MinSize(tree, aligned, o.Free)
		return out, err
	}
	need, err := ext4.MinSize(tree, out, 0)
	if err == nil && need > o.Size {
		err = fmt.Errorf("size of the file system is %d bytes, but its files need %d (%.1f MiB)", o.Size, need, float64(need)/sizeUnit)
	}
	return out, err
}

// creationTime returns the time of the youngest entry, limited to between 1970 and now: e2fsck reports other times.
func creationTime(youngest, now time.Time) time.Time {
	if epoch := time.Unix(0, 0); youngest.Before(epoch) {
		return epoch
	}
	if youngest.After(now) {
		return now
	}
	return youngest
}

// read reads the tree. Its contents are available until the closer is closed.
func read(ctx context.Context, o Options) (*tree.Tree, io.Closer, error) {
	dir := filepath.Dir(o.Output)
	if o.Source == "-" {
		return readInput(ctx, os.Stdin, dir)
	}
	f, err := os.Open(o.Source)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil || !info.IsDir() {
		tree, contents, err := tree.ReadArchive(ctx, f, dir)
		if contents != f {
			err = errors.Join(err, f.Close())
		}
		return asCloser(tree, contents, err)
	}
	if liesIn(o.Output, o.Source) {
		return nil, nil, errors.Join(errors.New("output lies in the source directory; write it elsewhere"), f.Close())
	}
	tree, err := tree.ReadDir(o.Source)
	return tree, f, err
}

// readInput reads a tar from a pipe. A blocked read cannot be interrupted, so it is abandoned when ctx ends.
func readInput(ctx context.Context, in *os.File, dir string) (*tree.Tree, io.Closer, error) {
	type result struct {
		tree     *tree.Tree
		contents io.Closer
		err      error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		r.tree, r.contents, r.err = asCloser(tree.ReadArchive(ctx, in, dir))
		done <- r
	}()
	select {
	case r := <-done:
		return r.tree, r.contents, r.err
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// asCloser converts the file to an interface that is nil if the file is.
func asCloser(t *tree.Tree, f *os.File, err error) (*tree.Tree, io.Closer, error) {
	if f == nil {
		return t, nil, err
	}
	return t, f, err
}

// liesIn reports whether a file, which need not exist, lies below a directory when symlinks are followed.
func liesIn(file, dir string) bool {
	parent, err1 := filepath.EvalSymlinks(filepath.Dir(file))
	top, err2 := filepath.EvalSymlinks(dir)
	parent, err3 := filepath.Abs(parent)
	top, err4 := filepath.Abs(top)
	return errors.Join(err1, err2, err3, err4) == nil && paths.Within(parent, top)
}
