package debian

import (
	"path"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// toolPackages are the packages of the building machine's architecture whose programs run in place of the tree's.
// Everything they depend on comes with them.
var toolPackages = []string{
	"bash", "bsdutils", "coreutils", "cpio", "dash", "debianutils", "diffutils", "findutils", "gawk", "grep", "gzip", "kmod",
	"libc-bin", "libperl5.40", "login.defs", "mawk", "mount", "openssl", "passwd", "perl-base", "python3", "sed", "systemd", "tar",
	"udev", "util-linux", "xz-utils", "zstd",
}

// excluded are programs of those packages that answer for the architecture they run on, or whose work belongs to the
// tree that they are part of.
var excluded = []string{
	"usr/bin/arch", "usr/bin/getconf", "usr/bin/ldd", "usr/bin/uname", "usr/bin/dpkg-architecture",
	"usr/sbin/ldconfig", "usr/bin/lscpu",
}

// chosen are, of packages whose programs mostly answer for the architecture or belong to the tree, those that do not.
var chosen = map[string][]string{
	"dpkg":    {"dpkg-deb", "dpkg-divert", "dpkg-split", "dpkg-statoverride", "update-alternatives"},
	"systemd": {"journalctl", "systemctl", "systemd-hwdb", "systemd-sysusers", "systemd-tmpfiles"},
	"udev":    {"systemd-hwdb"},
}

// replaced are programs that have nothing to do in an image that is being built: services do not start, and the
// initramfs is not Debian's. They lie among the tools, so that nothing of them is left in the tree.
var replaced = map[string]string{
	"usr/sbin/policy-rc.d":       "#!/bin/sh\nexit 101\n",
	"usr/sbin/start-stop-daemon": "#!/bin/sh\nexit 0\n",
	"usr/sbin/update-initramfs":  "#!/bin/sh\nexit 0\n",
	"usr/bin/dracut":             "#!/bin/sh\nexit 0\n", // which kernels of trixie-backports want
	"usr/bin/ssh-keygen":         "#!/bin/sh\nexit 0\n", // keys of hosts are the devices' own
	"usr/bin/sync":               "#!/bin/sh\nexit 0\n", // nothing here outlives a crash
}

// dpkgScript stands in for dpkg while scripts run: comparing versions, of which they do a lot, needs no emulation. All
// else goes to the tree's own dpkg, as it answers for the architecture.
const dpkgScript = `#!/bin/sh
case "$1" in
--compare-versions | --validate-version) exec /usr/lib/pkbuild/dpkg-native "$@" ;;
*) exec /usr/lib/pkbuild/dpkg "$@" ;;
esac
`

// tools returns what is laid over a tree while its scripts run: libraries, and those programs that the tree has too,
// so that no script finds a program that the tree lacks. Directories have the owners and modes of the tree's, since
// an overlay that copies one up takes those of its topmost layer.
func tools(debs []*deb, over *tree.Tree, architecture string) (*tree.Tree, error) {
	all := newUnpacked()
	for _, d := range debs {
		d.conffiles = nil
	}
	// base-files has the symlinks /bin, /lib and so on, which the others rely on.
	debs = slices.Clone(debs)
	slices.SortStableFunc(debs, func(a, b *deb) int { return rank(a) - rank(b) })
	if err := all.add(debs...); err != nil {
		return nil, err
	}
	own, err := newOwnership(over)
	if err != nil {
		return nil, err
	}
	out := tree.New()
	for name, n := range all.tree.Walk() {
		if n.Type == tree.Directory {
			continue
		}
		if ok, err := native(name, n, all.owners[name], own, architecture); err != nil || !ok {
			if err != nil {
				return nil, err
			}
			continue
		}
		if err := out.Put(name, n); err != nil {
			return nil, err
		}
	}
	w := recorder{tree: out}
	for name, text := range replaced {
		w.script(name, text)
	}
	w.put(scripts+"/dpkg", over.Get("usr/bin/dpkg")) // which configure.sh runs
	if dpkg := all.tree.Get("usr/bin/dpkg"); dpkg != nil {
		w.script("usr/bin/dpkg", dpkgScript)
		w.put(scripts+"/dpkg-native", dpkg)
	}
	if w.err != nil {
		return nil, w.err
	}
	for name, n := range out.Walk() {
		if n.Type != tree.Directory {
			continue
		}
		if err := out.Put(name, directoryLike(over.Get(name))); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func directoryLike(n *tree.Node) *tree.Node {
	if n == nil || n.Type != tree.Directory {
		return &tree.Node{Mode: 0o755}
	}
	return &tree.Node{Mode: n.Mode, UID: n.UID, GID: n.GID, ModTime: n.ModTime}
}

func rank(d *deb) int {
	if d.Name == "base-files" {
		return 0
	}
	return 1
}

// native reports whether a file of the tools is laid over a tree of another architecture: the loader and the libraries
// are, and programs that the tree has from the same package. Where it has another program of that name, such as one of
// busybox, that one runs.
func native(name string, n *tree.Node, owner *deb, over *ownership, architecture string) (bool, error) {
	triplet := sandbox.Triplet(sandbox.Host())
	dir, base := path.Split(name)
	switch {
	case dir == "usr/lib/"+triplet+"/", dir == "usr/lib64/", name == "lib64":
		return true, nil
	case dir == "usr/lib/" && strings.HasPrefix(base, "ld-linux"):
		return true, nil
	case over.tree.Get(strings.ReplaceAll(name, triplet, sandbox.Triplet(architecture))) == nil:
		return false, nil
	case strings.HasPrefix(name, "etc/"): // where ldconfig looks for libraries: it is the tree's
		return false, nil
	case strings.Contains(name, triplet): // modules: of Perl, of Python, of systemd
		return true, nil
	case n.Type != tree.Regular || dir != "usr/bin/" && dir != "usr/sbin/" || slices.Contains(excluded, name):
		return false, nil
	case chosen[owner.Name] != nil && !slices.Contains(chosen[owner.Name], base):
		return false, nil
	}
	return over.owns(owner.Name, architecture, name)
}
