package device

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// Scrubbed is the result of verifying the files of one stage.
type Scrubbed struct {
	Stage  int    `json:"stage"`
	Damage string `json:"damage"` // how its files differ from their digests; "" if they do not
}

// Scrub verifies the files of all stages that are next, in the history or named, the next one first, and durably
// records which are damaged, so that boots prefer others. It skips incomplete stages. The store is not locked while
// files are read.
func (d Device) Scrub(ctx context.Context) ([]Scrubbed, error) {
	snapshot, err := d.snapshot()
	if err != nil {
		return nil, err
	}
	all := []Scrubbed{}
	for _, n := range bootable(snapshot.Staged) {
		if ctx.Err() != nil {
			return all, context.Cause(ctx)
		}
		dir := os.DirFS(d.Store)
		if stages.CheckBundle(dir, n) != nil {
			continue
		}
		d.warn(dropCache(d.bundle(n)))
		damage, err := store.Damage(dir, n)
		if err != nil {
			return all, d.storeError(err)
		}
		err = d.changeStore(ctx, func(s *store.Store) error {
			if _, err := os.Stat(d.bundle(n)); errors.Is(err, fs.ErrNotExist) { // deleted meanwhile
				return nil
			}
			return s.MarkDamaged(n, damage)
		})
		if err != nil {
			return all, err
		}
		all = append(all, Scrubbed{n, damage})
	}
	return all, nil
}

// bootable returns the stages that a boot can start with: the next one, those of the history from the newest on, and the
// named ones.
func bootable(s stages.Staged) []int {
	var all []int
	for _, n := range slices.Concat([]int{s.Next}, reversed(s.History), s.References()) {
		if n > 0 && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

func reversed(list []int) []int {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

// dropCache has the kernel forget the content of the files below a directory, so that they are read from the disk.
func dropCache(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		return errors.Join(unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), f.Close())
	})
	return errors.Join(err, root.Close())
}
