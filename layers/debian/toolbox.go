package debian

import (
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers"
)

// toolPackages are the packages of the building machine's architecture whose programs run in place of the tree's.
// Everything they depend on comes with them.
var toolPackages = []string{
	"bash", "coreutils", "cpio", "dash", "debianutils", "diffutils", "findutils", "gawk", "grep", "gzip", "kmod",
	"libc-bin", "libperl5.40", "login.defs", "mawk", "mount", "openssl", "passwd", "perl-base", "python3", "sed", "systemd", "tar",
	"udev", "util-linux", "xz-utils", "zstd",
}

// excluded are programs of those packages that answer for the architecture they run on, or whose work belongs to the
// tree that they are part of.
var excluded = []string{
	"usr/bin/arch", "usr/bin/getconf", "usr/bin/ldd", "usr/bin/uname", "usr/bin/dpkg-architecture",
	"usr/sbin/ldconfig", "usr/bin/lscpu",
}

// fromSystemd are the programs of systemd whose work does not depend on the architecture.
var fromSystemd = []string{"systemd-hwdb", "systemd-sysusers", "systemd-tmpfiles", "journalctl"}

// triplets names the directory of an architecture's libraries.
var triplets = map[string]string{
	"amd64": "x86_64-linux-gnu",
	"arm64": "aarch64-linux-gnu",
	"armhf": "arm-linux-gnueabihf",
	"i386":  "i386-linux-gnu",
}

// hostArchitecture is Debian's name of the architecture of the building machine.
func hostArchitecture() string {
	if runtime.GOARCH == "arm" {
		return "armhf"
	}
	return runtime.GOARCH
}

// replaced are programs that have nothing to do in an image that is being built: services do not start, and the
// initramfs is not Debian's. They lie among the tools, so that nothing of them is left in the tree.
var replaced = map[string]string{
	"usr/sbin/policy-rc.d":       "#!/bin/sh\nexit 101\n",
	"usr/sbin/start-stop-daemon": "#!/bin/sh\nexit 0\n",
	"usr/sbin/update-initramfs":  "#!/bin/sh\nexit 0\n",
}

// tools returns what is laid over a tree while its scripts run: libraries, and those programs that the tree has too,
// so that no script finds a program that the tree lacks. Directories have the owners and modes of the tree's, since
// an overlay that copies one up takes those of its topmost layer.
func tools(debs []*deb, over *layers.Tree) (*layers.Tree, error) {
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
	out := layers.NewTree()
	for name, n := range all.tree.Walk() {
		if n.Type == layers.Directory || !native(name, n, all.owners[name], over) {
			continue
		}
		if err := out.Put(name, n); err != nil {
			return nil, err
		}
	}
	for name, text := range replaced {
		n := &layers.Node{Type: layers.Regular, Mode: 0o755, Content: layers.Inline(text)}
		if err := out.Put(name, n); err != nil {
			return nil, err
		}
	}
	for name, n := range out.Walk() {
		if n.Type != layers.Directory {
			continue
		}
		n.Mode, n.UID, n.GID = 0o755, 0, 0
		if old := over.Get(name); old != nil {
			n.Mode, n.UID, n.GID, n.ModTime = old.Mode, old.UID, old.GID, old.ModTime
		}
	}
	return out, nil
}

func rank(d *deb) int {
	if d.Name == "base-files" {
		return 0
	}
	return 1
}

// native tells whether a file of the tools is laid over a tree.
func native(name string, n *layers.Node, owner *deb, over *layers.Tree) bool {
	triplet := triplets[hostArchitecture()]
	switch dir, base := path.Split(name); {
	case strings.HasPrefix(name, "usr/lib/"+triplet+"/"), dir == "usr/lib64/", name == "lib64":
		return true
	case strings.Contains(base, triplet): // such as Python's lib-dynload/zlib.cpython-313-x86_64-linux-gnu.so
		return n.Type == layers.Regular && strings.HasSuffix(dir, "/lib-dynload/")
	case dir == "usr/lib/" && strings.HasPrefix(base, "ld-linux"):
		return true
	case n.Type != layers.Regular || dir != "usr/bin/" && dir != "usr/sbin/" || slices.Contains(excluded, name):
		return false
	case owner.Name == "systemd" || owner.Name == "udev":
		return slices.Contains(fromSystemd, base) && over.Get(name) != nil
	case strings.HasPrefix(owner.Name, "dpkg"), strings.HasPrefix(owner.Name, "apt"), strings.HasPrefix(owner.Name, "debconf"):
		return false
	default:
		return over.Get(name) != nil
	}
}
