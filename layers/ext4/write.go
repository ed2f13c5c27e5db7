package ext4

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/tree"
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
func MinSize(t *tree.Tree, o Options, free int64) (int64, error) {
	o.Size = 0
	fs, err := Prepare(t, o, free)
	if err != nil {
		return 0, err
	}
	return fs.Size(), nil
}

// Write writes the tree as an ext4 file system of o.Size bytes into a file, from an offset on. It does not matter what
// lies there: what Write leaves alone, nobody reads. A file that is too short gets longer. An error leaves a part of
// the file system behind.
func Write(ctx context.Context, f *os.File, offset int64, t *tree.Tree, o Options) error {
	if err := write(ctx, f, offset, t, o); err != nil {
		return fmt.Errorf("write ext4 of %d bytes to %s: %w", o.Size, f.Name(), err)
	}
	return nil
}

func write(ctx context.Context, f *os.File, offset int64, t *tree.Tree, o Options) error {
	o.Size = max(o.Size, blockSize) // zero is none, and not as many as it takes
	p, err := lay(t, o, 0)
	if err != nil {
		return err
	}
	if err := lengthen(f, offset+o.Size); err != nil {
		return err
	}
	return (&FileSystem{plan: p, tree: t, size: o.Size}).Write(ctx, f, offset)
}

func lengthen(f *os.File, size int64) error {
	st, err := f.Stat()
	if err != nil || st.Size() >= size {
		return err
	}
	return f.Truncate(size)
}
