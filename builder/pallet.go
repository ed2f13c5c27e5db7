package builder

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/recipes"
	"github.com/PlanktoScope/pkbuild/stages/apply"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
	"github.com/PlanktoScope/pkbuild/stages/pallet/compose"
	"github.com/PlanktoScope/pkbuild/stages/pallet/download"
	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
	"github.com/PlanktoScope/pkbuild/stages/pallet/source"
)

// palletsDir is the directory of the cache with what pallets require and download. It is the one that the commands for
// pallets use.
const palletsDir = "pallets"

// pallets reads and bundles the pallets of a recipe.
type pallets struct {
	cache     string // "": pallets may require and download nothing
	reader    pallet.Reader
	downloads *downloads
}

// newPallets are the pallets of a recipe with what is pinned for them.
func newPallets(r *recipes.Recipe, in Inputs) *pallets {
	mirrors := mirror.Mirrors{}
	maps.Copy(mirrors, r.Mirrors)
	maps.Copy(mirrors, in.Mirrors)
	p := &pallets{cache: in.Cache, downloads: &downloads{}}
	if in.Lock != nil {
		p.downloads.pins, p.downloads.locked = in.Lock.Downloads, true
	}
	if in.Cache == "" {
		return p
	}
	dir := filepath.Join(in.Cache, palletsDir)
	p.reader.Resolver = source.Source{Cache: filepath.Join(dir, "git"), Mirrors: mirrors}
	p.downloads.Cache = download.Cache{
		Dir: filepath.Join(dir, "downloads"), Mirrors: mirrors, Platform: "linux/" + r.Architecture,
	}
	return p
}

// use keeps others from removing what is read from the cache.
func (p *pallets) use(ctx context.Context) (done func() error, err error) {
	if p.cache == "" {
		return func() error { return nil }, nil
	}
	return Cache{p.cache}.use(ctx)
}

// read reads the pallet in a directory. What it is read from stays in the cache until do has ended.
func (p *pallets) read(ctx context.Context, dir string, do func(*pallet.Pallet) error) (err error) {
	done, err := p.use(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	read, err := p.reader.Read(ctx, dir)
	if err != nil {
		return err
	}
	return do(read)
}

// bundle makes the bundle of the pallet in a directory.
func (p *pallets) bundle(ctx context.Context, dir string) (b *pallet.Bundle, err error) {
	state, err := source.Describe(dir)
	if err != nil {
		return nil, err
	}
	o := pallet.Options{Version: state.Version, Commit: state.Commit, Clean: state.Clean}
	if p.cache != "" {
		o.Downloads = p.downloads
	}
	err = p.read(ctx, dir, func(read *pallet.Pallet) (err error) {
		b, err = read.Bundle(ctx, o)
		return err
	})
	if missing := p.downloads.missing; len(missing) > 0 {
		return nil, &MisfitError{missing}
	}
	return b, err
}

// apps are the apps of the pallet in a directory, by deployment.
func (p *pallets) apps(ctx context.Context, dir string) (apps map[string]*compose.App, err error) {
	err = p.read(ctx, dir, func(read *pallet.Pallet) (err error) {
		apps, err = read.Apps(ctx)
		return err
	})
	return apps, err
}

// ordered are the apps of the pallet in a directory as the device finds them, each after those that it comes after.
func (p *pallets) ordered(ctx context.Context, dir string) (apps []apply.App, err error) {
	err = p.read(ctx, dir, func(read *pallet.Pallet) (err error) {
		apps, err = apply.AppsOf(ctx, read, overlays.CurrentStage)
		return err
	})
	if err != nil {
		return nil, err
	}
	return startOrder(apps), nil
}

// startOrder puts each app after those that it comes after. There are no cycles.
func startOrder(apps []apply.App) []apply.App {
	var out []apply.App
	done := map[string]bool{}
	for len(out) < len(apps) {
		for _, a := range apps {
			waits := slices.ContainsFunc(a.After, func(name string) bool { return !done[name] })
			if !done[a.Deployment] && !waits {
				out, done[a.Deployment] = append(out, a), true
			}
		}
	}
	return out
}

// LockedDownload is what a pallet downloads without a checksum of its own, as it was when the lock was made.
type LockedDownload struct {
	Type   string `json:"type"` // of the export's source, such as http
	URL    string `json:"url"`
	SHA256 string `json:"sha256"` // of the file, or of the image's manifest
}

// downloads downloads for pallets. What nothing pins is pinned by what it is now, unless a lock should have done so.
type downloads struct {
	download.Cache
	pins    []LockedDownload // of the lock
	locked  bool             // what the pins lack is an error
	used    []LockedDownload
	missing []string // changes that the lock would need
}

// Fetch implements pallet.Downloader.
func (d *downloads) Fetch(ctx context.Context, want pallet.Download) (dir, name string, err error) {
	if !fixed(want) {
		pin, err := d.pin(ctx, want)
		if err != nil {
			return "", "", err
		}
		want.Checksum = "sha256:" + pin.SHA256
	}
	return d.Cache.Fetch(ctx, want)
}

// fixed tells whether a download says itself what it has to be.
func fixed(want pallet.Download) bool {
	return want.Checksum != "" || want.Type == pallet.SourceOCIImage && strings.Contains(want.URL, "@")
}

// pin is what a download was when it was locked, or else is now.
func (d *downloads) pin(ctx context.Context, want pallet.Download) (LockedDownload, error) {
	same := func(p LockedDownload) bool { return p.Type == want.Type && p.URL == want.URL }
	if i := slices.IndexFunc(d.used, same); i >= 0 {
		return d.used[i], nil
	}
	pin := LockedDownload{Type: want.Type, URL: want.URL}
	i := slices.IndexFunc(d.pins, same)
	switch {
	case i >= 0:
		pin = d.pins[i]
	case d.locked:
		d.missing = append(d.missing, pin.String()+" was added")
		return pin, errors.New("it is not in the lock")
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

// String names the download.
func (l LockedDownload) String() string { return "download " + l.Type + " " + l.URL }

// misfit names the downloads that the lock has and nothing asks for.
func (d *downloads) misfit() error {
	var changes []string
	for _, p := range d.pins {
		if !slices.Contains(d.used, p) {
			changes = append(changes, p.String()+" was removed")
		}
	}
	if len(changes) > 0 {
		return &MisfitError{changes}
	}
	return nil
}
