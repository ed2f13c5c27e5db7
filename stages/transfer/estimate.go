package transfer

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/opencontainers/go-digest"
)

// checkSpace returns an error if the file will probably not fit.
func (e Exporter) checkSpace(ctx context.Context, stage int, name string, x Index, wanted map[digest.Digest]bool) error {
	if e.Space == nil {
		return nil
	}
	size, err := treeSize(filepath.Join(e.Store, strconv.Itoa(stage)))
	if err != nil {
		return err
	}
	for _, i := range x.Images {
		n, err := e.estimate(ctx, i, wanted)
		if err != nil {
			return err
		}
		size += n
	}
	dir := filepath.Dir(name)
	s, err := e.Space(dir)
	if err != nil {
		return err
	}
	const hint = "leave out what the other device has with --for, or try whether it fits compressed with --no-space-check"
	if s.FAT && size > maxFAT {
		return fmt.Errorf("%s is on a FAT file system, which holds files of less than 4 GiB: this one may have %s "+
			"(use a stick with exFAT or ext4; %s)", name, bytesText(size), hint)
	}
	if err := checkFree(func(string) (Space, error) { return s, nil }, need{dir, size}); err != nil {
		return fmt.Errorf("%w (%s)", err, hint)
	}
	return nil
}

// estimate returns the approximate uncompressed size of the wanted layers of an image, in bytes. Build steps that changed
// nothing may or may not have a layer; if that makes it ambiguous which size belongs to which layer, all layers count.
func (e Exporter) estimate(ctx context.Context, i Needed, wanted map[digest.Digest]bool) (size int64, err error) {
	sizes, err := e.Docker.Sizes(ctx, string(i.ID))
	if err != nil {
		return 0, err
	}
	if len(sizes) != len(i.Layers) {
		sizes = slices.DeleteFunc(sizes, func(n int64) bool { return n == 0 })
	}
	const overhead = 10 // a tar archive is about a tenth larger than the files in it
	for n, l := range i.Layers {
		switch {
		case !wanted[l]:
		case len(sizes) == len(i.Layers):
			size += sizes[n] + sizes[n]/overhead + 2*block
		default:
			all := int64(0)
			for _, n := range sizes {
				all += n
			}
			return all + all/overhead, nil
		}
	}
	return size, nil
}

// treeSize returns the largest possible size of a tar archive of a directory, in bytes.
func treeSize(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += 4*block + info.Size()
		}
		return err
	})
	return size, err
}
