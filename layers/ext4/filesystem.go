package ext4

import (
	"context"
	"fmt"
	"io"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// FileSystem is an ext4 file system in memory: its tree is laid out, and Write has yet to write it.
type FileSystem struct {
	plan *plan
	tree *tree.Tree
	size int64
}

// Prepare lays a tree out as an ext4 file system of o.Size bytes or, if that is zero, of the smallest size that leaves free
// bytes to ordinary users. It fails if the files do not fit in o.Size. The tree must not change afterwards.
func Prepare(t *tree.Tree, o Options, free int64) (*FileSystem, error) {
	p, err := lay(t, o, free)
	if err != nil {
		return nil, fmt.Errorf("compute the size of an ext4 file system: %w", err)
	}
	if o.Size == 0 {
		o.Size = p.size(o)
	}
	return &FileSystem{plan: p, tree: t, size: o.Size}, nil
}

// Size returns the size of the file system in bytes.
func (fs *FileSystem) Size() int64 { return fs.size }

// Mapped returns the number of bytes that Write writes. The rest of the file system are holes.
func (fs *FileSystem) Mapped() int64 {
	p := fs.plan
	blocks := p.next // no holes up to here, except among the fixed blocks
	for _, r := range p.fixed {
		if r.start < p.next {
			blocks -= min(r.end, p.next) - r.start
		}
	}
	for _, s := range p.sections() {
		blocks += s.blocks
	}
	return int64(blocks) * blockSize
}

// Write writes the file system at an offset of w, in ascending order and in blocks of 4 KiB. It skips blocks that nothing
// refers to. If w is an *os.File, the kernel copies large contents from file to file.
func (fs *FileSystem) Write(ctx context.Context, w io.WriterAt, offset int64) error {
	out := output{to: w, base: offset, buffer: make([]byte, 0, bufferSize)}
	return (&writer{plan: fs.plan, out: out, sections: fs.plan.sections()}).run(ctx, fs.tree)
}

// lay lays a tree out on o.Size bytes, or on the smallest size that leaves a number of bytes free.
func lay(t *tree.Tree, o Options, free int64) (*plan, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s, err := surveyTree(t, o)
	if err != nil {
		return nil, err
	}
	if o.Size == 0 {
		return s.smallest(o, free), nil
	}
	return s.fit(o)
}

// smallest lays the survey out on growing sizes until it fits. What a layout is missing is a lower bound for the next
// step, so that few steps are enough.
func (s *survey) smallest(o Options, free int64) *plan {
	for blocks := uint64(1); ; {
		p := layout(s, usableBlocks(ceil(blocks, o.unit())*o.unit()), o)
		missing := p.missing(uint64(ceil(free, blockSize)))
		if missing == 0 {
			return p
		}
		blocks = growToUsable(p.blocks + missing)
	}
}

// fit lays the survey out on o.Size. If that fails a smaller size may still do, with a smaller journal or one group less.
func (s *survey) fit(o Options) (*plan, error) {
	p := layout(s, usableBlocks(uint64(max(o.Size, blockSize)/blockSize)), o)
	if p.missing(0) == 0 {
		return p, nil
	}
	o.Align = 0
	p = s.smallest(o, 0)
	if need := p.size(o); need > o.Size {
		return nil, fmt.Errorf("files need %d bytes, and the ext4 file system has %d", need, o.Size)
	}
	return p, nil
}

// unit is the number of blocks that sizes are multiples of.
func (o *Options) unit() uint64 { return uint64(max(o.Align, blockSize) / blockSize) }

// size returns the size of the partition that a plan was made for, in bytes.
func (p *plan) size(o Options) int64 { return int64(ceil(p.blocks, o.unit())*o.unit()) * blockSize }
