package debian

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"golang.org/x/sync/errgroup"
)

// Layer is a tree of Debian packages: the base of an image and all packages in one transaction.
type Layer struct {
	Architecture string    `json:"architecture"`
	Suite        string    `json:"suite"`
	Components   []string  `json:"components"`
	Mirror       string    `json:"mirror,omitempty"` // where the recipe names one
	Packages     []string  `json:"packages"`
	Date         time.Time `json:"date"`
	Lock         *Lock     `json:"lock,omitempty"` // without it the archive's newest are taken
}

// DefaultMirror is Debian's own archive, for who names no other, and for the devices.
const DefaultMirror = "http://ftp.debian.org/debian"

// keyring holds the keys that sign Debian's archive, on Debian and on Ubuntu alike.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Kind implements layers.Layer.
func (Layer) Kind() layers.Kind { return layers.Kind{Name: "debian", Version: 2} }

// Make implements layers.Layer.
func (l Layer) Make(ctx context.Context, env *layers.Env, _ *layers.Tree) (*layers.Tree, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("scripts of packages need root, or to be root in a user namespace: unshare --map-root-user --map-auto")
	}
	b := &build{layer: l, env: env, pool: newPool(filepath.Join(env.Cache, "debs"))}
	return b.make(ctx)
}

// Resolve pins the packages that the layer is made of today.
func (l Layer) Resolve(ctx context.Context, env *layers.Env) (*Lock, error) {
	lock := &Lock{}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		names := append([]string{"?essential", "?priority(required)", "apt"}, l.Packages...)
		lock.Packages, err = l.apt(env, l.Architecture).resolve(ctx, names)
		return err
	})
	if l.Architecture != sandbox.Host() {
		group.Go(func() (err error) {
			lock.Tools, err = l.apt(env, sandbox.Host()).resolve(ctx, toolPackages)
			return err
		})
	}
	return lock, group.Wait()
}

func (l Layer) apt(env *layers.Env, architecture string) apt {
	mirror := env.Mirror
	if l.Mirror != "" {
		mirror = l.Mirror
	}
	a := archive{mirror: mirror, suite: l.Suite, components: l.Components, keyring: keyring}
	return apt{dir: filepath.Join(env.Cache, "apt", a.id()+"-"+architecture), archive: a, architecture: architecture}
}
