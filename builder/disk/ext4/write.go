package ext4

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/PlanktoScope/pkbuild/layers"
)

const maxSize = 1 << 44 // 16 TiB: the resize inode and the old fields of the format end there

// Options are what a file system is, apart from its tree.
type Options struct {
	UUID            [16]byte  // required; it also seeds the hashes of directories
	Label           string    // at most 16 bytes
	Size            int64     // of the partition, in bytes; what is left over beyond whole blocks stays unused
	Align           int64     // MinSize returns a multiple of so many bytes
	Now             time.Time // when the file system was made, and the time of entries that have none
	ReservedPercent int       // of the blocks, for root alone
	OrphanFile      bool      // needs Linux 5.15
}

// MinSize is the number of bytes that a file system needs to hold the tree and have so many bytes left for ordinary
// users. The options' Size is not looked at.
func MinSize(t *layers.Tree, o Options, free int64) (int64, error) {
	o.Size = 0
	if err := o.check(); err != nil {
		return 0, fmt.Errorf("size ext4: %w", err)
	}
	s, err := surveyTree(t, o)
	if err != nil {
		return 0, fmt.Errorf("size ext4: %w", err)
	}
	return s.minSize(o, free), nil
}

// minSize lays the survey out on ever larger sizes until it fits. What a layout lacks is a lower bound of what the
// next one needs more, so few steps are enough.
func (s *survey) minSize(o Options, free int64) int64 {
	unit := uint64(max(o.Align, blockSize) / blockSize)
	for blocks := uint64(1); ; {
		size := ceil(blocks, unit) * unit
		usable := usableBlocks(size)
		missing := layout(s, usable, o).missing(uint64(ceil(free, blockSize)))
		if missing == 0 {
			return int64(size) * blockSize
		}
		blocks = growToUsable(usable + missing)
	}
}

// Write writes the tree as an ext4 file system of o.Size bytes into a file, from an offset on. It does not matter what
// lies there: what Write leaves alone, nobody reads. A file that is too short gets longer. An error leaves a part of
// the file system behind.
func Write(ctx context.Context, f *os.File, offset int64, t *layers.Tree, o Options) error {
	if err := write(ctx, f, offset, t, o); err != nil {
		return fmt.Errorf("write ext4 of %d bytes to %s: %w", o.Size, f.Name(), err)
	}
	return nil
}

func write(ctx context.Context, f *os.File, offset int64, t *layers.Tree, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	s, err := surveyTree(t, o)
	if err != nil {
		return err
	}
	p, err := s.fit(o)
	if err != nil {
		return err
	}
	if err := lengthen(f, offset+o.Size); err != nil {
		return err
	}
	w := writer{plan: p, out: output{file: f, base: offset, buffer: make([]byte, 0, bufferSize)}, sections: p.sections()}
	return w.run(ctx, t)
}

// fit lays the survey out on a size. A file system that has no room on it may have some on less, where its journal is
// smaller or it has one group less.
func (s *survey) fit(o Options) (*plan, error) {
	p := layout(s, usableBlocks(uint64(max(o.Size, blockSize)/blockSize)), o)
	if p.missing(0) == 0 {
		return p, nil
	}
	o.Align = 0
	need := s.minSize(o, 0)
	if need > o.Size {
		return nil, fmt.Errorf("the tree needs %d bytes", need)
	}
	return layout(s, uint64(need/blockSize), o), nil
}

func lengthen(f *os.File, size int64) error {
	st, err := f.Stat()
	if err != nil || st.Size() >= size {
		return err
	}
	return f.Truncate(size)
}
