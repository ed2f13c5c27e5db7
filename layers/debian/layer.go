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

// Layer is a layer that installs Debian packages in one transaction: a base with Debian's essential packages, or
// packages on top of the tree below.
type Layer struct {
	// Over is the digest of the base image that the packages are installed over, or OverLayers; "" for a Debian base.
	Over         string `json:"over,omitempty"`
	Architecture string `json:"architecture"`
	// Suite is "" over a vendor's base image: suite, package sources and keys are then those of the base, in addition to
	// Repositories.
	Suite      string   `json:"suite"`
	Components []string `json:"components"`
	Mirror     string   `json:"mirror,omitempty"` // where the recipe names one
	// Repositories are package sources besides the suite's archive. They are ignored if Lock is set.
	Repositories []Repository `json:"repositories,omitempty"`
	Packages     []string     `json:"packages"`
	Date         time.Time    `json:"date"`
	Lock         *Lock        `json:"lock,omitempty"` // without it the newest are taken, once
	Slim         *Slim        `json:"slim,omitempty"` // of a base: as containers want it
}

// OverLayers is the value of Over for packages over other package layers of the same recipe, whose versions are kept.
const OverLayers = "layers"

// DefaultMirror is Debian's own archive: the default for builds, and the mirror of devices.
const DefaultMirror = "http://ftp.debian.org/debian"

// Kind returns the name and version of the layer kind "debian".
func (l Layer) Kind() layers.Kind {
	return layers.Kind{Name: "debian", Version: 4, Code: code()}
}

// code is a digest of the scripts and tables that affect the result besides the Go code.
func code() string {
	h := sha256.New()
	fmt.Fprintln(h, preinstScript, configureScript, sandbox.Version, dpkgScript, toolPackages, excluded, chosen, replaced, sandbox.TemporaryFiles())
	return fmt.Sprintf("%.8x", h.Sum(nil))
}

// Make installs the packages of l.Lock, or the newest ones if that is nil, and returns the files that they add or change. It
// needs root, or to be root of a user namespace.
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

// archive returns the repository of the Debian suite on a mirror.
func (l Layer) archive(mirror string) Repository {
	if l.Mirror != "" {
		mirror = l.Mirror
	}
	return Repository{Name: "debian", URIs: []string{mirror}, Suites: []string{l.Suite}, Components: l.Components}
}

// Held reports whether the cache directory has every package of l.Lock, so that no mirror is needed to make the layer. It
// returns false for a layer without a lock.
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

// counterpart returns the other architecture of building machines, which needs other tools.
var counterpart = map[string]string{"arm64": "amd64", "amd64": "arm64"}

// Resolve finds the newest packages, with dependencies, for a stack of at least one layer, the lowest first, and returns a
// lock for each. The layers differ only in their lists of packages, and each builds on those before it. below is the tree
// under the stack, whose packages are not listed again; nil if the lowest layer is a base.
func Resolve(ctx context.Context, env *layers.Env, below *tree.Tree, stack ...Layer) ([]Lock, error) {
	return resolve(ctx, env, below, counterpart[stack[0].Architecture], stack...)
}

// resolve returns the packages, and the tools for building machines of an architecture unless it is "".
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

// names returns the arguments for apt: package names, and patterns as in apt-patterns(7).
func (l Layer) names() []string {
	if l.Over != "" {
		return l.Packages
	}
	return append(l.Slim.base(), l.Packages...)
}

// pin returns, for each list of names, the packages and their dependencies for an architecture, in alphabetical order,
// without those of earlier lists or of the tree below.
func (l Layer) pin(ctx context.Context, env *layers.Env, below *tree.Tree, architecture string, names ...[]string) ([][]Package, error) {
	main := l.archive(env.Mirror)
	others := mirrored(l.Repositories, main.URIs[0])
	a := apt{recipe: env.Dir, repositories: append([]Repository{main}, others...), architecture: architecture}
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
		a.repositories = others
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

// mirrored returns repositories with a mirror in place of Debian's own archive.
func mirrored(repositories []Repository, mirror string) []Repository {
	out := slices.Clone(repositories)
	for i := range out {
		out[i].URIs = slices.Clone(out[i].URIs)
		for j, uri := range out[i].URIs {
			if strings.TrimSuffix(uri, "/") == DefaultMirror {
				out[i].URIs[j] = mirror
			}
		}
	}
	return out
}
