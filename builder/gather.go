package builder

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/builder/lock"
	"github.com/PlanktoScope/pkbuild/internal/sha256sum"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/recipes"
	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
)

// Sources is a recipe with everything that it refers to, each read once: files by digest, pallets, and the names of
// container images. Compile, Resolve and Request read nothing else.
type Sources struct {
	Recipe *recipes.Recipe

	lock    *lock.Lock
	cache   string                  // empty: none
	files   map[string][]sourceFile // by the path in the recipe
	texts   map[string]string       // of scripts and signing keys, by the path in the recipe
	keys    map[string]string       // signing keys as apt reads them, by the path in the recipe
	pallets []stagedPallet          // in the order of the recipe's stage layers
	images  []wantedImage           // by name
	pins    []lock.Download         // of the pallets' downloads that the pallets do not pin themselves
}

// GatherOptions are the lock, the cache and the mirrors that Gather uses.
type GatherOptions struct {
	// Lock pins the downloads of pallets. Without it the newest are taken.
	Lock *lock.Lock
	// Cache is the directory for required pallets and downloads. Without it a pallet must have neither.
	Cache   string
	Mirrors mirror.Mirrors // of this machine; they take precedence over the recipe's
	// SkipBundles leaves out the bundles of pallets and so their downloads, which Compile and Resolve need and Request
	// does not.
	SkipBundles bool
}

// Gather reads and digests everything that a recipe refers to: files, pallets, and names of container images. It downloads
// required pallets and the downloads of pallets unless they are cached. It returns a lock.StaleError if o.Lock lacks one
// of these downloads or has one that no pallet uses any more.
func Gather(ctx context.Context, r *recipes.Recipe, o GatherOptions) (s *Sources, err error) {
	s = &Sources{Recipe: r, lock: o.Lock, cache: o.Cache, files: map[string][]sourceFile{}, texts: map[string]string{}, keys: map[string]string{}}
	digests := &digests{ctx, map[string]string{}}
	if err := s.readFiles(digests); err != nil {
		return nil, err
	}
	if err := s.readPallets(ctx, digests, o); err != nil {
		return nil, err
	}
	s.images, err = wantedImages(r, s.pallets)
	return s, err
}

// readFiles reads the files that lie beside the recipe.
func (s *Sources) readFiles(digests *digests) error {
	for i := range s.Recipe.Repositories {
		if err := s.readKeys(&s.Recipe.Repositories[i], digests); err != nil {
			return err
		}
	}
	for _, l := range s.Recipe.Layers {
		for i, f := range l.Files {
			if err := s.readFile(f.Source, digests); err != nil {
				return err
			}
			if err := s.refusePrivateKeys(&l.Files[i]); err != nil {
				return err
			}
		}
		if l.Run == nil {
			continue
		}
		for _, input := range l.Run.Inputs {
			if err := s.readFile(input, digests); err != nil {
				return err
			}
		}
		if err := s.readText(l.Run.File); err != nil {
			return err
		}
	}
	return nil
}

// readKeys reads the signing keys of a repository.
func (s *Sources) readKeys(r *recipes.Repository, digests *digests) error {
	if r.SignedBy == "" {
		return nil
	}
	if err := errors.Join(s.readFile(r.SignedBy, digests), s.readText(r.SignedBy)); err != nil {
		return fmt.Errorf("signing keys of repository %s: %w", r.Name, err)
	}
	keys, err := debian.ParseKeys([]byte(s.texts[r.SignedBy]))
	if err != nil {
		return s.Recipe.Problem(&r.SignedBy, "signing key %s %s", r.SignedBy, err)
	}
	s.keys[r.SignedBy] = string(keys)
	return nil
}

// readPallets reads the staged pallets, and keeps others from pruning what they are read from until it returns.
func (s *Sources) readPallets(ctx context.Context, digests *digests, o GatherOptions) (err error) {
	reader := newPalletReader(s, digests, o)
	for _, l := range s.Recipe.Layers {
		if l.Stage == nil {
			continue
		}
		if len(s.pallets) == 0 && o.Cache != "" {
			done, err := Cache{o.Cache}.use(ctx)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, done()) }()
		}
		p, err := reader.read(ctx, l.Stage.Pallet)
		if stale := (*lock.StaleError)(nil); err != nil && !errors.As(err, &stale) {
			return fmt.Errorf("pallet %s: %w", l.Stage.Pallet, err)
		}
		if err != nil {
			return err
		}
		s.pallets = append(s.pallets, p)
	}
	if o.SkipBundles {
		return nil
	}
	s.pins = reader.downloads.sorted()
	return reader.downloads.unused()
}

// Request returns the packages, pallets and container images that the recipe requests, for comparison with its lock by
// Lock.Check. It fails if the date of the recipe is invalid.
func (s *Sources) Request() (lock.Request, error) {
	stack, err := s.packageLayers()
	if err != nil {
		return lock.Request{}, err
	}
	r := lock.Request{For: requested(stack)}
	for _, p := range s.pallets {
		r.Pallets = append(r.Pallets, p.lock)
	}
	for _, i := range s.images {
		r.Images = append(r.Images, i.name)
	}
	return r, nil
}

// digests caches the SHA-256 digests of files, so that each file is read once.
type digests struct {
	ctx   context.Context
	known map[string]string // in hexadecimal, by absolute path
}

// of returns the digest of a file.
func (d *digests) of(name string) (string, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	if sum, ok := d.known[abs]; ok {
		return sum, nil
	}
	sum, err := sha256sum.File(d.ctx, name)
	if err == nil {
		d.known[abs] = sum
	}
	return sum, err
}

// locate returns the location of a file that the recipe names.
func (s *Sources) locate(name string) string { return layers.Locate(s.Recipe.Dir, name) }

// pallet returns a staged pallet by its path in the recipe.
func (s *Sources) pallet(path string) (stagedPallet, error) {
	for _, p := range s.pallets {
		if p.path == path {
			return p, nil
		}
	}
	return stagedPallet{}, fmt.Errorf("internal error: pallet %s was not gathered", path)
}
