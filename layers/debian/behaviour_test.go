package debian

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// The packages of testdata/behaviour use one mechanism of Debian each. Every archive there holds packages by their names: files,
// control files, and DEBIAN/links with target and path
// of each symlink, or of each hard link after "=". The reference is what apt and dpkg make of them in a
// chroot of this machine's architecture.

// TestBehavesAsApt compares the trees, which include dpkg's database: packages in a new base, over a base, and newer versions over
// a tree whose files were changed.
func TestBehavesAsApt(t *testing.T) {
	t.Parallel()
	env := testEnv(t)
	l := behaviourLayer(sandbox.Host())
	l.Lock = baseLock(t, env, l)
	base := baseTree(t, env, l)
	first, second := buildArchives(t, "testdata/behaviour/*.txtar"), buildArchives(t, "testdata/upgrade/*.txtar")
	dir := t.TempDir()
	require.NoError(t, base.Extract(t.Context(), dir, tree.ExtractOptions{}))
	aptInstall(t, dir, first)
	want := snapshot(t, dir)

	t.Run("in a new base", func(t *testing.T) { requireSame(t, want, newBase(t, env, l, first)) })
	t.Run("in a new base of another architecture", func(t *testing.T) {
		foreign := behaviourLayer(counterpart[sandbox.Host()])
		foreign.Lock = baseLock(t, env, foreign)
		requireSame(t, additions(t, base, want, want), additions(t, base, want, newBase(t, env, foreign, first)))
	})
	over := l
	over.Over, over.Packages, over.Lock = OverLayers, nil, &Lock{Packages: first, Tools: l.Lock.Tools}
	got := base.Clone()
	require.NoError(t, got.Apply(makeLayer(t, env, over, base)))
	t.Run("over a base", func(t *testing.T) { requireSame(t, want, got) })

	changes := filesTree(t, map[string]string{"etc/conf/local.conf": "local\n", "etc/conf/present.conf": "present\n", "etc/conf/same.conf": "2\n"})
	require.NoError(t, changes.Put("etc/conf/removed.conf", &tree.Node{Type: tree.Char}))
	require.NoError(t, got.Apply(changes))
	for name, n := range changes.Walk() {
		if n.IsWhiteout() {
			require.NoError(t, os.Remove(filepath.Join(dir, name)))
		} else if n.Type == tree.Regular {
			text, err := changes.ReadFile(name)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o644))
		}
	}
	aptInstall(t, dir, second)
	over.Lock = &Lock{Packages: second, Tools: l.Lock.Tools}
	require.NoError(t, got.Apply(makeLayer(t, env, over, got)))
	t.Run("newer versions", func(t *testing.T) { requireSame(t, snapshot(t, dir), got) })
}

func behaviourLayer(architecture string) Layer {
	l := testLayer()
	l.Architecture, l.Packages = architecture, []string{"adduser", "debconf", "systemd-sysv"}
	return l
}

func newBase(t *testing.T, env *layers.Env, l Layer, packages []Package) *tree.Tree {
	t.Helper()
	l.Lock = &Lock{Packages: slices.Concat(l.Lock.Packages, packages), Tools: l.Lock.Tools}
	return makeLayer(t, env, l, nil)
}

// additions returns the files of a tree whose paths are in one tree and not in another, and the accounts that owners refer to.
func additions(t *testing.T, without, with, of *tree.Tree) *tree.Tree {
	t.Helper()
	out := tree.New()
	for name := range with.Walk() {
		n := of.Get(name)
		if n != nil && !strings.HasPrefix(name, "run/") && (without.Get(name) == nil || name == "etc/passwd" || name == "etc/group") {
			require.NoError(t, out.Put(name, n))
		}
	}
	return out
}

func makeLayer(t *testing.T, env *layers.Env, l Layer, below *tree.Tree) *tree.Tree {
	t.Helper()
	own := *env
	own.Scratch = t.TempDir()
	out, err := l.Make(t.Context(), &own, below)
	require.NoError(t, err)
	return out
}

func requireSame(t *testing.T, want, got *tree.Tree) {
	t.Helper()
	c := newComparison(t, want, got)
	c.latest = date
	var text strings.Builder
	for _, d := range unexplained(t, c.differences()) {
		fmt.Fprintf(&text, "%s: %s: %s\n", d.path, d.what, d.detail)
		if d.what == "content" {
			fmt.Fprintf(&text, "%s\n", diff(t, c.read(c.want.nodes[d.path]), c.read(c.got.nodes[d.path])))
		}
	}
	require.Empty(t, text.String())
}

// diff returns the lines that differ between two files.
func diff(t *testing.T, want, got []byte) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "want"), want, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "got"), got, 0o644))
	cmd := exec.Command("diff", "-U1", "want", "got")
	cmd.Dir = dir
	out, _ := cmd.CombinedOutput() // ends with 1 if the files differ
	return string(out)
}

// traced is the start of every maintainer script: it records how dpkg calls the script, except for triggers, whose number
// depends on the order of the packages.
const traced = `mkdir -p /opt/trace
[ "$1" = triggered ] || {
	echo "${0#/var/lib/dpkg/} $*"
	echo "$(pwd) $(umask)"
	env | grep ^DPKG_ | grep -v -e ^DPKG_COLORS -e ^DPKG_FRONTEND_LOCKED | sort
} >>"/opt/trace/$DPKG_MAINTSCRIPT_PACKAGE.$DPKG_MAINTSCRIPT_NAME"
`

// buildArchives builds the packages of all archives that match a pattern.
func buildArchives(t *testing.T, pattern string) []Package {
	t.Helper()
	archives, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, archives)
	dir, names := t.TempDir(), []string{}
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		require.NoError(t, err)
		for _, f := range archive.Files {
			pkg, inside, _ := strings.Cut(f.Name, "/")
			if !slices.Contains(names, pkg) {
				names = append(names, pkg)
			}
			writePackageFile(t, filepath.Join(dir, pkg), inside, string(f.Data))
		}
	}
	slices.Sort(names)
	var out []Package
	for _, name := range names {
		out = append(out, buildPackage(t, filepath.Join(dir, name), name))
	}
	return out
}

// writePackageFile writes a file of a package: programs and scripts are executable.
func writePackageFile(t *testing.T, dir, name, text string) {
	t.Helper()
	mode := fs.FileMode(0o644)
	if strings.HasPrefix(text, "#!") || strings.Contains(name, "bin/") {
		mode = 0o755
	}
	if script, ok := strings.CutPrefix(text, "#!/bin/sh\n"); ok && path.Dir(name) == "DEBIAN" {
		text = "#!/bin/sh\n" + script
		if path.Base(name) != "config" {
			text = "#!/bin/sh\n" + traced + script
		}
	}
	file := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(text), mode))
}

// buildPackage builds a package of a directory, with the fields that its control file lacks.
func buildPackage(t *testing.T, dir, name string) Package {
	t.Helper()
	control := filepath.Join(dir, "DEBIAN/control")
	require.NoError(t, os.MkdirAll(filepath.Dir(control), 0o755))
	text, _ := os.ReadFile(control)
	fields := parseStanza(string(text))
	for field, value := range map[string]string{"Version": "1.0", "Architecture": "all"} {
		if fields[strings.ToLower(field)] == "" {
			text = fmt.Appendf(text, "%s: %s\n", field, value)
		}
	}
	text = fmt.Appendf(text, "Package: %s\nMaintainer: nobody <nobody@example.org>\nDescription: test\n", name)
	require.NoError(t, os.WriteFile(control, text, 0o644))
	links, _ := os.ReadFile(filepath.Join(dir, "DEBIAN/links"))
	for line := range strings.Lines(string(links)) {
		target, at, _ := strings.Cut(strings.TrimSpace(line), " ")
		require.NoError(t, os.MkdirAll(filepath.Join(dir, path.Dir(at)), 0o755))
		if first, ok := strings.CutPrefix(target, "="); ok {
			require.NoError(t, os.Link(filepath.Join(dir, first), filepath.Join(dir, at)))
		} else {
			require.NoError(t, os.Symlink(target, filepath.Join(dir, at)))
		}
	}
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "DEBIAN/links")))
	fields = parseStanza(string(text))
	file := filepath.Join(t.TempDir(), name+".deb")
	cmd := exec.Command("dpkg-deb", "--build", "--root-owner-group", "-Znone", dir, file)
	cmd.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", date.Unix()-1))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return Package{Name: name, Version: fields["version"], Architecture: fields["architecture"],
		URL: "file://" + file, SHA256: sum(data), Size: int64(len(data))}
}

// aptInstall installs packages in a chroot without a network, where services do not start.
func aptInstall(t *testing.T, dir string, packages []Package) {
	t.Helper()
	needs.Program(t, "unshare")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "usr/sbin/policy-rc.d"), []byte("#!/bin/sh\nexit 101\n"), 0o755))
	for _, p := range packages {
		data, err := os.ReadFile(strings.TrimPrefix(p.URL, "file://"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "tmp", p.Name+".deb"), data, 0o644))
	}
	cmd := exec.Command("unshare", "--mount", "--pid", "--net", "--fork", "/bin/sh", "-ec", `
		mount -t proc proc "$0/proc"
		mount -t tmpfs tmpfs "$0/dev"
		for node in null full zero random urandom tty; do
			touch "$0/dev/$node"
			mount --bind "/dev/$node" "$0/dev/$node"
		done
		chroot "$0" apt-get install --yes --no-install-recommends --allow-downgrades -o Dpkg::Options::=--force-unsafe-io \
			-o Dpkg::Options::=--force-confold -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 $(cd "$0" && ls ./tmp/*.deb)
		chroot "$0" dpkg --audit
		rm "$0"/tmp/*.deb
	`, dir)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "DEBCONF_NONINTERACTIVE_SEEN=true", "LC_ALL=C.UTF-8", "HOME=/root",
		fmt.Sprintf("SOURCE_DATE_EPOCH=%d", date.Unix())}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, os.Remove(filepath.Join(dir, "usr/sbin/policy-rc.d")))
}

// snapshot reads a directory as a tree without what no tree of a build has.
func snapshot(t *testing.T, dir string) *tree.Tree {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy") // as the directory changes later
	out, err := exec.Command("cp", "-a", dir, copied).CombinedOutput()
	require.NoError(t, err, string(out))
	files, err := tree.ReadDir(copied)
	require.NoError(t, err)
	sandbox.Tidy(files)
	files.Remove("var/cache/debconf/tmp.ci") // of apt's hook that asks questions before packages are unpacked
	files.Remove("var/lib/apt/lists/auxfiles")
	return files
}
