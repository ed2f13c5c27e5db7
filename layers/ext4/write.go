package ext4

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

const maxSize = 1 << 44 // 16 TiB: the resize inode and the old fields of the format end there

// Options are the properties of an ext4 file system besides its files: size, UUID, label, times and features.
type Options struct {
	UUID            [16]byte  // required; it also seeds the hashes of directories
	Label           string    // at most 16 bytes
	Size            int64     // of the partition, in bytes; a rest that is no whole block stays unused
	Align           int64     // MinSize returns a multiple of it, in bytes
	Now             time.Time // of the file system's creation, and of entries without a time
	ReservedPercent int       // of the blocks that only root may use
	ChecksumSeed    bool      // the UUID of the mounted file system can be changed, since checksums do not depend on it
	OrphanFile      bool      // adds an orphan file; needs Linux 5.15
}

// MinSize returns the size in bytes of the smallest ext4 file system that holds the tree and leaves free bytes to
// ordinary users. It ignores o.Size.
func MinSize(t *tree.Tree, o Options, free int64) (int64, error) {
	o.Size = 0
	fs, err := Prepare(t, o, free)
	if err != nil {
		return 0, err
	}
	return fs.Size(), nil
}

// Write writes the tree as an ext4 file system of o.Size bytes into a file at an offset, and extends the file if it is too
// short. It fails before it writes if the files do not fit; after another error the file holds a part of the file system.
// Previous content does not matter: no reader looks at the blocks that Write skips.
func Write(ctx context.Context, f *os.File, offset int64, t *tree.Tree, o Options) error {
	if err := write(ctx, f, offset, t, o); err != nil {
		return fmt.Errorf("write ext4 of %d bytes to %s: %w", o.Size, f.Name(), err)
	}
	return nil
}

func write(ctx context.Context, f *os.File, offset int64, t *tree.Tree, o Options) error {
	o.Size = max(o.Size, blockSize) // here, zero does not mean the smallest size
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
