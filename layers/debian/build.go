package debian

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/PlanktoScope/pkbuild/internal/download"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// build is the state of the build of one layer.
type build struct {
	layer Layer
	env   *layers.Env
	pool  pool
	below *tree.Tree // for packages over a tree; else nil
	lock  *Lock
	debs  []*deb
	tools []*deb
	// emulator is for the sandboxes to register; see emulation.
	emulator string

	mu          sync.Mutex
	done, total int64 // steps of packages
}

func (b *build) make(ctx context.Context) (t *tree.Tree, err error) {
	began := time.Now()
	if b.layer.Architecture != sandbox.Host() {
		var release func() error
		if b.emulator, release, err = sandbox.Emulation(ctx, b.layer.Architecture); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, release()) }()
	}
	if b.below != nil {
		return b.over(ctx)
	}
	if err := b.fetch(ctx); err != nil {
		return nil, err
	}
	u := newUnpacked()
	u.slim = b.layer.Slim
	for _, debs := range batches(b.debs) {
		if err := b.installBatch(ctx, u, debs); err != nil {
			return nil, err
		}
	}
	return u.tree, errors.Join(b.clean(u.tree), sandbox.CheckResidue(u.tree, began))
}

// installBatch unpacks and configures a batch of packages on top of the batches before it.
func (b *build) installBatch(ctx context.Context, u *unpacked, debs []*deb) error {
	if err := u.beginBatch(); err != nil {
		return err
	}
	first := early(debs)
	rest := without(debs, first)
	if err := u.add(first...); err != nil {
		return err
	}
	if err := b.preinst(ctx, u, slices.Concat(first, rest)); err != nil {
		return err
	}
	if err := u.add(rest...); err != nil {
		return err
	}
	return b.configure(ctx, u, first)
}

// fetch resolves the packages unless they are locked, downloads those that the pool lacks, and opens all.
func (b *build) fetch(ctx context.Context) error {
	b.lock = b.layer.Lock
	if b.lock == nil {
		b.report("resolving packages", 0)
		locks, err := resolve(ctx, b.env, b.below, b.toolsFor(), b.layer)
		if err != nil {
			return err
		}
		b.lock = &locks[0]
	}
	all, err := b.needed()
	if err != nil {
		return err
	}
	b.total = int64(2*len(all) + len(b.lock.Packages)) // downloading, unpacking, configuring
	err = b.pool.fetch(ctx, all, func(p Package, downloaded bool) {
		if downloaded {
			b.report("downloaded "+p.String(), 1)
		} else {
			b.report("", 1)
		}
	})
	if err != nil {
		return b.advise(err)
	}
	debs := make([]*deb, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU() + 1)
	for i, pkg := range all {
		group.Go(func() (err error) {
			debs[i], err = b.pool.open(ctx, pkg)
			b.report("unpacked "+pkg.String(), 1)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	n := len(b.lock.Packages)
	b.debs, b.tools = sorted(debs[:n]), debs[n:]
	return nil
}

// toolsFor returns the architecture of the tools, or "" if this machine runs the tree's own programs.
func (b *build) toolsFor() string {
	if host := sandbox.Host(); host != b.layer.Architecture {
		return host
	}
	return ""
}

// needed returns the packages of the lock that this machine needs, tools last, with their URLs on its mirror.
func (b *build) needed() ([]Package, error) {
	all := slices.Clone(b.lock.Packages)
	if host := b.toolsFor(); host != "" {
		all = append(all, b.lock.Tools...)
		if !slices.ContainsFunc(b.lock.Tools, func(p Package) bool { return p.Architecture == host }) {
			return nil, fmt.Errorf("the lock has no tools for this machine's architecture %s: run pkbuild lock again", host)
		}
	}
	mirror := b.layer.archive(b.env.Mirror).URIs[0]
	for i := range all {
		all[i] = all[i].from(mirror)
	}
	return all, nil
}

// advise adds the remedy to an error of a mirror that cannot be reached or has deleted a locked package.
func (b *build) advise(err error) error {
	unreachable := (*url.Error)(nil)
	switch {
	case errors.As(err, &unreachable):
		return fmt.Errorf("%w: the file is not in the cache, so it has to be downloaded: is the network up, and the mirror? "+
			"PKBUILD_MIRROR or the recipe's mirror names another one", err)
	case b.layer.Lock != nil && download.IsGone(err):
		return fmt.Errorf("%w: the archive no longer has the package that the lock names; lock the recipe anew, "+
			"or use a mirror that keeps all versions, such as snapshot.debian.org", err)
	}
	return err
}

// report reports a line of progress and advances the count of packages by a step.
func (b *build) report(message string, steps int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done += steps
	b.env.Report(layers.Progress{Message: message, Done: b.done, Total: b.total})
}

func (b *build) log(line string) {
	if settingUp.MatchString(line) {
		b.report(line, 1)
		return
	}
	b.report(line, 0)
}

var settingUp = regexp.MustCompile(`^Setting up [^ ]+ \(`)

// sorted returns the packages with base-files first: other packages need its symlinks, such as /bin and /lib.
func sorted(debs []*deb) []*deb {
	slices.SortStableFunc(debs, func(a, b *deb) int { return rank(a) - rank(b) })
	return debs
}

// sandbox returns a sandbox in which scripts run over a tree.
func (b *build) sandbox(name string, tree *tree.Tree) (*sandbox.Sandbox, error) {
	t, err := tools(b.tools, tree, b.layer.Architecture)
	if err != nil {
		return nil, fmt.Errorf("tools: %w", err)
	}
	free := sandbox.Available()
	if b.env.Keep {
		free = 0
	}
	return &sandbox.Sandbox{
		Dir:          filepath.Join(b.env.Scratch, name),
		Architecture: b.layer.Architecture,
		Date:         b.layer.Date,
		Tools:        t,
		Tree:         tree,
		Emulator:     b.emulator,
		Free:         free,
		Warn:         func(line string) { b.env.Report(layers.Progress{Message: line, Warning: true}) },
	}, nil
}

// scripts is the directory of pkbuild's own scripts among the tools.
const scripts = "usr/lib/pkbuild"

//go:embed preinst.sh
var preinstScript string

// preinst runs the preinst scripts of packages in a tree with only the packages that they need: they may divert files of
// packages that are unpacked later.
func (b *build) preinst(ctx context.Context, u *unpacked, debs []*deb) error {
	if err := u.record(b.layer.Architecture, b.layer.Date); err != nil {
		return err
	}
	s, err := b.sandbox(u.scratch("preinst"), u.tree)
	if err != nil {
		return err
	}
	w := recorder{tree: s.Tools, at: b.layer.Date}
	for i, d := range debs {
		if d.script("preinst") == nil {
			continue
		}
		dir := fmt.Sprintf("%s/preinst/%04d_%s_%s", scripts, i, d.Name, d.Architecture)
		for _, f := range d.control {
			w.put(dir+"/"+f.name, f.node)
		}
	}
	w.file(scripts+"/preinst.sh", preinstScript)
	if w.err != nil {
		return w.err
	}
	b.report("running preinst scripts", 0)
	changes, err := s.Run(ctx, b.log, "/bin/sh", "/"+scripts+"/preinst.sh", b.dpkgVersion())
	if err != nil {
		return fmt.Errorf("run the preinst scripts: %w", err)
	}
	if err := u.tree.Apply(changes); err != nil {
		return err
	}
	if u.tree.Get(diversionsDB) != nil {
		text, err := u.tree.ReadFile(diversionsDB)
		if err != nil {
			return err
		}
		u.divert(parseDiversions(string(text)))
	}
	return nil
}

// dpkgVersion returns the upstream version of the tree's dpkg, which scripts see as DPKG_RUNNING_VERSION.
func (b *build) dpkgVersion() string {
	for _, d := range b.debs {
		if d.Name == "dpkg" {
			version, _, _ := strings.Cut(d.Version, "+")
			return version
		}
	}
	return ""
}

//go:embed configure.sh
var configureScript string

// configure runs the postinst scripts of all unpacked packages and processes triggers. Some packages are configured first:
// others count on them, in part without saying so.
func (b *build) configure(ctx context.Context, u *unpacked, first []*deb) error {
	if err := u.record(b.layer.Architecture, b.layer.Date); err != nil {
		return err
	}
	s, err := b.sandbox(u.scratch("configure"), u.tree)
	if err != nil {
		return err
	}
	w := recorder{tree: s.Tools, at: b.layer.Date}
	w.file(scripts+"/configure.sh", configureScript)
	if w.err != nil {
		return w.err
	}
	args := []string{"/bin/sh", "/" + scripts + "/configure.sh"}
	for _, d := range first {
		args = append(args, d.id())
	}
	changes, err := s.Run(ctx, b.log, args...)
	if err != nil {
		return fmt.Errorf("configure the packages: %w", err)
	}
	return u.tree.Apply(changes)
}
