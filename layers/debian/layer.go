package debian

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"golang.org/x/sync/errgroup"
)

// Layer is a tree of Debian packages: the base of an image and all packages in one transaction.
type Layer struct {
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
}

// DefaultMirror is Debian's own archive, for who names no other, and for the devices.
const DefaultMirror = "http://ftp.debian.org/debian"

// Kind implements layers.Layer.
func (Layer) Kind() layers.Kind { return layers.Kind{Name: "debian", Version: 3, Code: code()} }

// code is a digest over what decides, besides Go code, what becomes of packages.
func code() string {
	h := sha256.New()
	fmt.Fprintln(h, preinstScript, configureScript, sandbox.Script(), dpkgScript, toolPackages, excluded, chosen, replaced, litter)
	return fmt.Sprintf("%.8x", h.Sum(nil))
}

// Make implements layers.Layer.
func (l Layer) Make(ctx context.Context, env *layers.Env, _ *layers.Tree) (*layers.Tree, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("scripts of packages need root, or to be root in a user namespace: unshare --map-root-user --map-auto")
	}
	b := &build{layer: l, env: env, pool: newPool(filepath.Join(env.Cache, "debs"))}
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

// Resolve pins the packages that the layer is made of today, on any machine.
func (l Layer) Resolve(ctx context.Context, env *layers.Env) (*Lock, error) {
	return l.resolve(ctx, env, counterpart[l.Architecture])
}

// resolve pins the packages, and the tools for building machines of an architecture, if any.
func (l Layer) resolve(ctx context.Context, env *layers.Env, tools string) (*Lock, error) {
	lock := &Lock{}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		names := append([]string{"?essential", "?priority(required)", "apt"}, l.Packages...)
		lock.Packages, err = l.pin(ctx, env, l.Architecture, names)
		return err
	})
	if tools != "" {
		group.Go(func() (err error) {
			lock.Tools, err = l.pin(ctx, env, tools, toolPackages)
			return err
		})
	}
	return lock, group.Wait()
}

// pin lists packages and what they depend on, for an architecture, in alphabetical order.
func (l Layer) pin(ctx context.Context, env *layers.Env, architecture string, names []string) ([]Package, error) {
	main := l.archive(env.Mirror)
	a, err := newApt(env.Cache, env.Dir, append([]Repository{main}, l.Repositories...), architecture)
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
