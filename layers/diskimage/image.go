package diskimage

import (
	"context"
	"fmt"
	"os"
	"path"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/boot"
	"github.com/PlanktoScope/pkbuild/layers/ext4"
	"github.com/PlanktoScope/pkbuild/layers/fat"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Read reads a disk image: the root file system of partition 2 with the files of partition 1 at /boot/firmware. It fails if
// there are other partitions whose numbers are not in drop, and names them. The file must stay open as long as the tree is
// used.
func Read(ctx context.Context, image *os.File, drop []uint32) (*tree.Tree, error) {
	bootPartition, root, err := bootable(image, drop)
	if err != nil {
		return nil, err
	}
	t, err := ext4.Read(ctx, image, root.start, root.size)
	if err != nil {
		return nil, fmt.Errorf("partition 2: %w", err)
	}
	t.Remove("lost+found")
	if n := t.Get(boot.Firmware); n == nil || n.Type != tree.Directory {
		return nil, fmt.Errorf("partition 2 has no directory /%s, where Raspberry Pi OS mounts partition 1 since 2023", boot.Firmware)
	}
	files, err := fat.Read(ctx, image, bootPartition.start, bootPartition.size)
	if err != nil {
		return nil, fmt.Errorf("partition 1: %w", err)
	}
	for name, n := range files.Walk() {
		bare := n.Bare()
		bare.ModTime = time.Time{} // the new FAT gets times of its own
		if name == "" {
			continue
		}
		if err := t.Put(path.Join(boot.Firmware, name), &bare); err != nil {
			return nil, fmt.Errorf("partition 1: %w", err)
		}
	}
	return t, nil
}
