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

// checkSpace looks whether there is room for what will be written, by what is known of it before.
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
	const wayOut = "leave out what the other device has, with --for; or with --no-space-check try whether it fits compressed"
	if s.FAT && size > maxFAT {
		return fmt.Errorf("%s is on a FAT file system, where a file is smaller than 4 GiB, and this one may have %s "+
			"(use a stick with exFAT or ext4; %s)", name, bytesText(size), wayOut)
	}
	if err := enough(func(string) (Space, error) { return s, nil }, need{dir, size}); err != nil {
		return fmt.Errorf("%w (%s)", err, wayOut)
	}
	return nil
}

// estimate is about how large the layers of an image are that are wanted, without compression, in bytes. Steps of its
// making that changed nothing may or may not have a layer; where that leaves open which layer is which, all count.
func (e Exporter) estimate(ctx context.Context, i Needed, wanted map[digest.Digest]bool) (size int64, err error) {
	sizes, err := e.Docker.Sizes(ctx, string(i.ID))
	if err != nil {
		return 0, err
	}
	if len(sizes) != len(i.Layers) {
		sizes = slices.DeleteFunc(sizes, func(n int64) bool { return n == 0 })
	}
	const perFile = 10 // a tar has about a tenth more than the files in it
	for n, l := range i.Layers {
		switch {
		case !wanted[l]:
		case len(sizes) == len(i.Layers):
			size += sizes[n] + sizes[n]/perFile + 2*block
		default:
			all := int64(0)
			for _, n := range sizes {
				all += n
			}
			return all + all/perFile, nil
		}
	}
	return size, nil
}

// treeSize is how large a tar of a directory is at most, in bytes.
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
