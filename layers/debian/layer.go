package debian

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"golang.org/x/sync/errgroup"
)

// Layer is a tree of Debian packages: the base of an image and all packages in one transaction. Over another base it is
// the packages that this base lacks.
type Layer struct {
	// Over is the digest of the vendor's image that the packages are installed over, or OverLayers; else empty. Its
	// suite, sources of packages and keys are that base's own, and Repositories come on top of them.
	Over         string   `json:"over,omitempty"`
	Architecture string   `json:"architecture"`
	Suite        string   `json:"suite"`
	Components   []string `json:"components"`
	Mirror       string   `json:"mirror,omitempty"` // where the recipe names one
	// Repositories are what packages are looked for in besides the suite's archive. They play no part where a lock
	// names the packages.
	Repositories []Repository `json:"repositories,omitempty"`
	Packages     []string     `json:"packages"`
	Date         time.Time    `json:"date"`
	Lock         *Lock        `json:"lock,omitempty"` // without it the newest are taken, once
	Slim         *Slim        `json:"slim,omitempty"` // of a base: as containers want it
}

// OverLayers is what packages are installed over that have other layers of the same recipe below them.
const OverLayers = "layers"

// DefaultMirror is Debian's own archive, for who names no other, and for the devices.
const DefaultMirror = "http://ftp.debian.org/debian"

// Kind implements layers.Layer.
func (Layer) Kind() layers.Kind { return layers.Kind{Name: "debian", Version: 3, Code: code()} }

// code is a digest over what decides, besides Go code, what becomes of packages.
func code() string {
	h := sha256.New()
	fmt.Fprintln(h, preinstScript, configureScript, sandbox.Script(), dpkgScript, toolPackages, excluded, chosen, replaced, sandbox.Litter())
	return fmt.Sprintf("%.8x", h.Sum(nil))
}

// Make implements layers.Layer.
func (l Layer) Make(ctx context.Context, env *layers.Env, below *layers.Tree) (*layers.Tree, error) {
	if err := sandbox.NeedRoot(); err != nil {
		return nil, err
	}
	b := &build{layer: l, env: env, pool: newPool(filepath.Join(env.Cache, "debs"))}
	if l.Over != "" {
		b.below = below
	}
	return b.make(ctx)
}

// archive is the suite of Debian, from the recipe's mirror or another one.
func (l Layer) archive(mirror string) Repository {
	if l.Mirror != "" {
		mirror = l.Mirror
	}
	return Repository{Name: "debian", URIs: []string{mirror}, Suites: []string{l.Suite}, Components: l.Components}
}

// counterpart is the architecture of the other kind of building machine, whose tools a tree is made with there.
var counterpart = map[string]string{"arm64": "amd64", "amd64": "arm64"}

// Resolve pins the packages that the layer is made of today, on any machine. below is what lies below the layer.
func (l Layer) Resolve(ctx context.Context, env *layers.Env, below *layers.Tree) (*Lock, error) {
	if l.Over == "" {
		below = nil
	}
	return l.resolve(ctx, env, below, counterpart[l.Architecture])
}

// resolve pins the packages, and the tools for building machines of an architecture, if any.
func (l Layer) resolve(ctx context.Context, env *layers.Env, below *layers.Tree, tools string) (*Lock, error) {
	target, names := l, append(l.Slim.base(), l.Packages...)
	if below != nil {
		var err error
		if l.Suite, err = codename(below); err != nil {
			return nil, err
		}
		names = l.Packages
	}
	lock := &Lock{}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		lock.Packages, err = target.pin(ctx, env, below, l.Architecture, names)
		return err
	})
	if tools != "" {
		group.Go(func() (err error) {
			lock.Tools, err = l.pin(ctx, env, nil, tools, toolPackages)
			return err
		})
	}
	return lock, group.Wait()
}

// pin lists packages and what they depend on, for an architecture, in alphabetical order. Over a tree they are those
// that it lacks.
func (l Layer) pin(ctx context.Context, env *layers.Env, below *layers.Tree, architecture string, names []string) ([]Package, error) {
	main := l.archive(env.Mirror)
	a := apt{recipe: env.Dir, repositories: append([]Repository{main}, l.Repositories...), architecture: architecture}
	if below != nil {
		var err error
		if a.base, err = inherit(below, env.Mirror); err != nil {
			return nil, err
		}
		a.repositories = l.Repositories
	}
	a, err := a.in(env.Cache)
	if err != nil {
		return nil, err
	}
	pkgs, err := a.resolve(ctx, names)
	for i := range pkgs {
		pkgs[i].URL = relative(main.URIs[0], pkgs[i].URL)
	}
	slices.SortFunc(pkgs, func(a, b Package) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Architecture, b.Architecture))
	})
	return pkgs, err
}
