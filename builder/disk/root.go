package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/layers"
)

// rootSize estimates the size of a root file system with a tree and so many bytes free.
func rootSize(t *layers.Tree, free int64) (int64, error) {
	var size int64
	for _, n := range t.Walk() {
		size += 512 + roundUp(n.Content.Size, 4096)
	}
	return size + size/10 + 64<<20 + free, nil
}

// writeRoot writes a tree as ext4, by tar and mke2fs: both must run as root to give files their owners.
func writeRoot(ctx context.Context, f *os.File, p partition, t *layers.Tree, l Layout) (err error) {
	dir, err := os.MkdirTemp(filepath.Dir(f.Name()), ".root-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cmd := exec.CommandContext(ctx, "tar", "-C", dir, "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := errors.Join(t.WriteTar(in, l.Time), in.Close(), cmd.Wait()); err != nil {
		return err
	}
	mke2fs := exec.CommandContext(ctx, "mke2fs", "-q", "-F", "-t", "ext4", "-O", "^orphan_file", "-L", l.Root.Label, "-U", l.Root.UUID,
		"-E", fmt.Sprintf("offset=%d,hash_seed=%s", p.start, l.Root.UUID), "-d", dir, f.Name(), fmt.Sprintf("%dk", p.size>>10))
	if out, err := mke2fs.CombinedOutput(); err != nil {
		return fmt.Errorf("mke2fs: %w: %s", err, out)
	}
	return nil
}
