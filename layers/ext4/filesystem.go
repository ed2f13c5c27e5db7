package ext4

import (
	"context"
	"fmt"
	"io"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// FileSystem is a tree laid out as a file system that is not written yet.
type FileSystem struct {
	plan *plan
	tree *tree.Tree
	size int64
}

// Prepare lays a tree out on o.Size bytes, or, where that is zero, on as few as leave so many bytes free for ordinary
// users. The tree must not change afterwards.
func Prepare(t *tree.Tree, o Options, free int64) (*FileSystem, error) {
	p, err := lay(t, o, free)
	if err != nil {
		return nil, fmt.Errorf("size ext4: %w", err)
	}
	if o.Size == 0 {
		o.Size = p.size(o)
	}
	return &FileSystem{plan: p, tree: t, size: o.Size}, nil
}

// Size is that of the whole file system, in bytes.
func (fs *FileSystem) Size() int64 { return fs.size }

// Mapped is the number of bytes that Write writes; all else is holes.
func (fs *FileSystem) Mapped() int64 {
	p := fs.plan
	blocks := p.next // without holes up to here, but for the groups' own blocks
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

// Write writes the file system from an offset on, front to back, in whole blocks of 4 KiB. What it leaves alone,
// nobody reads. Where w is an *os.File the kernel copies large contents.
func (fs *FileSystem) Write(ctx context.Context, w io.WriterAt, offset int64) error {
	out := output{to: w, base: offset, buffer: make([]byte, 0, bufferSize)}
	return (&writer{plan: fs.plan, out: out, sections: fs.plan.sections()}).run(ctx, fs.tree)
}

// lay lays a tree out on o.Size bytes, or on as few as leave so many bytes free.
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

// smallest lays the survey out on ever larger sizes until it fits. What a layout lacks is a lower bound of what the
// next one needs more, so few steps are enough.
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

// fit lays the survey out on a size. A file system that has no room on it may have some on less, where its journal is
// smaller or it has one group less.
func (s *survey) fit(o Options) (*plan, error) {
	p := layout(s, usableBlocks(uint64(max(o.Size, blockSize)/blockSize)), o)
	if p.missing(0) == 0 {
		return p, nil
	}
	o.Align = 0
	p = s.smallest(o, 0)
	if need := p.size(o); need > o.Size {
		return nil, fmt.Errorf("the tree needs %d bytes", need)
	}
	return p, nil
}

// unit is the number of blocks that sizes are a multiple of.
func (o *Options) unit() uint64 { return uint64(max(o.Align, blockSize) / blockSize) }

// size is the number of bytes of the partition that a plan was made for.
func (p *plan) size(o Options) int64 { return int64(ceil(p.blocks, o.unit())*o.unit()) * blockSize }
