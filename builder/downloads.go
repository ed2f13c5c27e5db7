package builder

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/builder/lock"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
	"github.com/PlanktoScope/pkbuild/stages/pallet/download"
)

// downloads downloads for pallets. A download without a checksum of its own is pinned by the lock or, where there is no
// lock, by its current content.
type downloads struct {
	download.Cache
	pins    []lock.Download // of the lock
	locked  bool            // a download without a pin is an error
	used    []lock.Download
	missing []string // changes since the lock was made
}

// Fetch implements pallet.Downloader.
func (d *downloads) Fetch(ctx context.Context, want pallet.Download) (dir, name string, err error) {
	if !pinned(want) {
		pin, err := d.pin(ctx, want)
		if err != nil {
			return "", "", err
		}
		want.Checksum = "sha256:" + pin.SHA256
	}
	return d.Cache.Fetch(ctx, want)
}

// pinned reports whether the pallet itself pins a download.
func pinned(want pallet.Download) bool {
	return want.Checksum != "" || want.Type == pallet.SourceOCIImage && strings.Contains(want.URL, "@")
}

// pin returns the lock's pin of a download or, without a lock, its current digest.
func (d *downloads) pin(ctx context.Context, want pallet.Download) (lock.Download, error) {
	same := func(p lock.Download) bool { return p.Type == want.Type && p.URL == want.URL }
	if i := slices.IndexFunc(d.used, same); i >= 0 {
		return d.used[i], nil
	}
	pin := lock.Download{Type: want.Type, URL: want.URL}
	i := slices.IndexFunc(d.pins, same)
	switch {
	case i >= 0:
		pin = d.pins[i]
	case d.locked:
		d.missing = append(d.missing, pin.String()+" was added")
		return pin, errors.New(pin.String() + " is not in the lock")
	default:
		checksum, err := d.Checksum(ctx, want)
		if err != nil {
			return pin, err
		}
		pin.SHA256 = strings.TrimPrefix(checksum, "sha256:")
	}
	d.used = append(d.used, pin)
	return pin, nil
}

// unused returns a lock.StaleError if the lock has downloads that no pallet asked for.
func (d *downloads) unused() error {
	var changes []string
	for _, p := range d.pins {
		if !slices.Contains(d.used, p) {
			changes = append(changes, p.String()+" was removed")
		}
	}
	if len(changes) > 0 {
		return &lock.StaleError{Changes: changes}
	}
	return nil
}

// sorted returns the pins that were used, by type and URL.
func (d *downloads) sorted() []lock.Download {
	return slices.SortedFunc(slices.Values(d.used), func(a, b lock.Download) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.URL, b.URL))
	})
}
