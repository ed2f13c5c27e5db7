package debian

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Layer is a tree of Debian packages: the base of an image and all packages in one transaction. Over another tree it is
// the packages that this tree lacks.
type Layer struct {
	// Over is what the packages are installed over: the digest of a vendor's image, or OverLayers. Empty for a base.
	Over         string `json:"over,omitempty"`
	Architecture string `json:"architecture"`
	// Suite is empty where the base is a vendor's: suite, sources of packages and keys are then that base's own, and
	// Repositories come on top of them.
	Suite      string   `json:"suite"`
	Components []string `json:"components"`
	Mirror     string   `json:"mirror,omitempty"` // where the recipe names one
	// Repositories are what packages are looked for in besides the suite's archive. They play no part where a lock
	// names the packages.
	Repositories []Repository `json:"repositories,omitempty"`
	Packages     []string     `json:"packages"`
	Date         time.Time    `json:"date"`
	Lock         *Lock        `json:"lock,omitempty"` // without it the newest are taken, once
	Slim         *Slim        `json:"slim,omitempty"` // of a base: as containers want it
}

// OverLayers is what packages are installed over that have other layers of the same recipe below them, of packages whose
// versions stay.
const OverLayers = "layers"

// DefaultMirror is Debian's own archive, for who names no other, and for the devices.
const DefaultMirror = "http://ftp.debian.org/debian"

// Kind implements layers.Layer.
func (l Layer) Kind() layers.Kind {
	version := 3
	if l.Over != "" {
		version = 4 // since ldconfig saw the building machine's libraries
	}
	return layers.Kind{Name: "debian", Version: version, Code: code()}
}

// code is a digest over what decides, besides Go code, what becomes of packages.
func code() string {
	h := sha256.New()
	fmt.Fprintln(h, preinstScript, configureScript, sandbox.Script(), dpkgScript, toolPackages, excluded, chosen, replaced, sandbox.Litter())
	return fmt.Sprintf("%.8x", h.Sum(nil))
}

// Make implements layers.Layer.
func (l Layer) Make(ctx context.Context, env *layers.Env, below *tree.Tree) (*tree.Tree, error) {
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

// Held tells whether a cache holds every package that the layer's lock names, so that no mirror is asked for any.
func (l Layer) Held(cache string) bool {
	if l.Lock == nil {
		return false
	}
	p := newPool(filepath.Join(cache, "debs"))
	return !slices.ContainsFunc(slices.Concat(l.Lock.Packages, l.Lock.Tools), func(pkg Package) bool {
		_, err := os.Stat(p.path(pkg))
		return err != nil
	})
}

// counterpart is the architecture of the other kind of building machine, whose tools a tree is made with there.
var counterpart = map[string]string{"arm64": "amd64", "amd64": "arm64"}

// Resolve pins what a stack of layers is made of today, on any machine, the lowest first: what one has is there for those
// over it. They differ in their packages alone. below is what lies below them; nil where the lowest is a base.
func Resolve(ctx context.Context, env *layers.Env, below *tree.Tree, stack ...Layer) ([]Lock, error) {
	return resolve(ctx, env, below, counterpart[stack[0].Architecture], stack...)
}

// resolve pins the packages, and the tools for building machines of an architecture, if any.
func resolve(ctx context.Context, env *layers.Env, below *tree.Tree, tools string, stack ...Layer) ([]Lock, error) {
	target, archive := stack[0], stack[0]
	var names [][]string
	for _, l := range stack {
		names = append(names, l.names())
	}
	if archive.Suite == "" {
		var err error
		if archive.Suite, err = codename(below); err != nil {
			return nil, err
		}
	}
	var pins, toolPins [][]Package
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		pins, err = target.pin(ctx, env, below, target.Architecture, names...)
		return err
	})
	group.Go(func() (err error) {
		if tools != "" {
			toolPins, err = archive.pin(ctx, env, nil, tools, toolPackages)
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var locks []Lock
	for _, pkgs := range pins {
		locks = append(locks, Lock{Packages: pkgs, Tools: slices.Concat(toolPins...)})
	}
	return locks, nil
}

// names are what apt is asked for: names of packages, and patterns as in apt-patterns(7).
func (l Layer) names() []string {
	if l.Over != "" {
		return l.Packages
	}
	return append(l.Slim.base(), l.Packages...)
}

// pin lists, for each list of names, the packages and what they depend on, for an architecture, in alphabetical order.
// Those that the tree below has, or that are in an earlier list, are left out.
func (l Layer) pin(ctx context.Context, env *layers.Env, below *tree.Tree, architecture string, names ...[]string) ([][]Package, error) {
	main := l.archive(env.Mirror)
	a := apt{recipe: env.Dir, repositories: append([]Repository{main}, l.Repositories...), architecture: architecture}
	if below != nil {
		var err error
		if a.installed, err = installed(below); err != nil {
			return nil, err
		}
	}
	if l.Suite == "" {
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
	out, err := a.resolve(ctx, names...)
	for _, pkgs := range out {
		for i := range pkgs {
			pkgs[i].URL = relative(main.URIs[0], pkgs[i].URL)
		}
		slices.SortFunc(pkgs, func(a, b Package) int {
			return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Architecture, b.Architecture))
		})
	}
	return out, err
}
