package debian

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// The tests below make whole trees, of the essential packages and packages of their own. They need root, a mirror of
// Debian (PKBUILD_MIRROR, else apt's), and keep what they download where pkbuild does.

var date = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func testEnv(t *testing.T) *layers.Env {
	t.Helper()
	if os.Geteuid() != 0 {
		needs.Unavailable(t, "needs root")
	}
	needs.Program(t, "dpkg-deb")
	cache := os.Getenv("PKBUILD_CACHE")
	if cache == "" {
		dir, err := os.UserCacheDir()
		require.NoError(t, err)
		cache = filepath.Join(dir, "pkbuild")
	}
	mirror := os.Getenv("PKBUILD_MIRROR")
	if mirror == "" {
		out, _ := exec.Command("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian").Output()
		mirror, _, _ = strings.Cut(string(out), "\n")
	}
	if mirror == "" {
		needs.Unavailable(t, "needs a mirror of Debian: PKBUILD_MIRROR, or one that apt knows")
	}
	return &layers.Env{Cache: cache, Scratch: t.TempDir(), Mirror: strings.TrimSuffix(mirror, "/"), Latest: date}
}

func testLayer() Layer {
	l := Layer{Architecture: "arm64", Suite: "trixie", Components: []string{"main"}, Date: date}
	if sandbox.Host() == "arm64" {
		l.Architecture = "amd64"
	}
	return l
}

// addPackage builds a package with control files and adds it to the lock.
func (lock *Lock) addPackage(t *testing.T, name string, control map[string]string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "DEBIAN"), 0o755))
	control["control"] = "Package: " + name + "\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody\nDescription: test\n" + control["control"]
	for file, text := range control {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "DEBIAN", file), []byte(text), 0o755))
	}
	file := filepath.Join(t.TempDir(), name+"_1.0_all.deb")
	cmd := exec.Command("dpkg-deb", "--build", "--root-owner-group", "-Zgzip", dir, file)
	cmd.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", date.Unix()))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	lock.Packages = append(lock.Packages, Package{Name: name, Version: "1.0", Architecture: "all",
		URL: "file://" + file, SHA256: sum(data), Size: int64(len(data))})
}

func digestOf(t *testing.T, tree *tree.Tree) string {
	t.Helper()
	h := sha256.New()
	require.NoError(t, tree.WriteTar(h, date))
	return hex.EncodeToString(h.Sum(nil))
}

// prober leaves what must not be in an image, and notes what it sees.
const prober = `#!/bin/sh
set -e
cp /usr/bin/sed /opt/copy
ln /usr/bin/gzip /opt/link
chmod 0700 /usr/bin/find
echo key >/etc/machine-id
mkdir -p /etc/ssh /var/log/probe && touch /etc/ssh/ssh_host_probe_key && chmod 0640 /etc/ssh/ssh_host_probe_key
echo log >/var/log/probe/full && : >/var/log/probe/empty
echo nameserver 192.0.2.1 >/etc/resolv.conf
echo x >/tmp/x && echo x >/var/tmp/x && echo x >/run/x && echo x >/var/cache/apt/x
{
	echo "uname $(uname -m)"
	echo "dpkg $(dpkg --print-architecture)"
	echo "package $DPKG_MAINTSCRIPT_PACKAGE $DPKG_MAINTSCRIPT_ARCH"
	echo "hostname $(cat /proc/sys/kernel/hostname)"
	echo "date $SOURCE_DATE_EPOCH"
	echo "interfaces $(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' \n')"
	set -- /proc/[0-9]*; echo "processes $#"
	policy=0; /usr/sbin/policy-rc.d || policy=$?
	echo "policy $policy"
	dpkg --compare-versions 2 gt 1 && echo "newer"
	test -e /usr/bin/make || echo "no make"
	echo 2>/dev/null >/proc/sys/kernel/core_pattern || echo "proc is read-only"
} >/opt/seen
`

func TestBuild(t *testing.T) {
	t.Parallel()
	env := testEnv(t)
	l := testLayer()
	l.Lock = baseLock(t, env, l)
	l.Lock.addPackage(t, "probe", map[string]string{
		"preinst":  "#!/bin/sh\nset -e\ndpkg-divert --package probe --rename --divert /usr/bin/apt.real --add /usr/bin/apt\n",
		"postinst": prober,
		"md5sums":  "",
	})
	files, err := l.Make(t.Context(), env, nil)
	require.NoError(t, err)

	t.Run("the tools are gone", func(t *testing.T) {
		require.Empty(t, programsOf(t, files, sandbox.Machine(sandbox.Host())))
		require.Equal(t, files.Get("usr/bin/sed").Content.Size, files.Get("opt/copy").Content.Size)
		require.Same(t, files.Get("opt/link"), files.Get("usr/bin/gzip"))
		require.Equal(t, uint32(0o700), files.Get("usr/bin/find").Mode)
		for _, name := range []string{"usr/lib/pkbuild", "usr/sbin/policy-rc.d", "usr/lib/" + sandbox.Triplet(sandbox.Host())} {
			require.Nil(t, files.Get(name), name)
		}
	})
	t.Run("what scripts see", func(t *testing.T) {
		seen, err := files.ReadFile("opt/seen")
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("uname %s\ndpkg %s\npackage probe all\nhostname localhost\ndate %d\ninterfaces lo\n"+
			"processes 4\npolicy 101\nnewer\nno make\nproc is read-only\n",
			sandbox.Emulator(l.Architecture), l.Architecture, date.Unix()), string(seen))
	})
	t.Run("litter", func(t *testing.T) {
		for _, name := range append(sandbox.TemporaryFiles(), "etc/hostname", "etc/ssh/ssh_host_probe_key", "etc/resolv.conf", "tmp/x", "var/tmp/x", "run/x",
			"var/cache/apt/x", "var/log/probe/full") {
			require.Nil(t, files.Get(name), name)
		}
		require.NotNil(t, files.Get("var/log/probe/empty"))
		require.Zero(t, files.Get("etc/machine-id").Content.Size)
		for name, n := range files.Walk() {
			require.False(t, n.ModTime.After(time.Now().Add(-time.Minute)) && n.ModTime.After(date), "%s %s", name, n.ModTime)
		}
	})
	t.Run("diversion", func(t *testing.T) {
		require.NotNil(t, files.Get("usr/bin/apt.real"))
		require.Nil(t, files.Get("usr/bin/apt"))
	})
	t.Run("dpkg agrees", func(t *testing.T) {
		s := sandbox.Sandbox{Dir: t.TempDir(), Architecture: l.Architecture, Date: date, Tree: files, Tools: tree.New(), Free: sandbox.Available()}
		var out []string
		_, err := s.Run(t.Context(), func(line string) { out = append(out, line) }, "/bin/sh", "-c", "dpkg --audit; dpkg --verify")
		require.NoError(t, err)
		require.Empty(t, out)
	})
	t.Run("the same bytes again, without a mirror", func(t *testing.T) {
		env := *env
		env.Mirror, env.Scratch = "http://127.0.0.1:1", t.TempDir()
		again, err := l.Make(t.Context(), &env, nil)
		require.NoError(t, err)
		require.Equal(t, digestOf(t, files), digestOf(t, again))
	})
}

// programsOf lists the programs of a machine.
func programsOf(t *testing.T, files *tree.Tree, machine elf.Machine) []string {
	t.Helper()
	var out []string
	for name, n := range files.Walk() {
		if n.Type != tree.Regular || n.Content.Size < 64 {
			continue
		}
		if f, err := elf.NewFile(io.NewSectionReader(n.Content, n.Content.Offset, n.Content.Size)); err == nil && f.Machine == machine {
			out = append(out, name)
		}
	}
	return out
}

func TestScriptErrors(t *testing.T) {
	t.Parallel()
	env := testEnv(t)
	l := testLayer()
	base := baseLock(t, env, l)
	library := "/usr/lib/" + sandbox.Triplet(sandbox.Host()) + "/x"
	tests := map[string]struct {
		control map[string]string
		err     []string
	}{
		"preinst": {map[string]string{"preinst": "#!/bin/sh\necho cannot go on\nexit 3\n"}, []string{
			"run the preinst scripts: exit status 1\n", "\ncannot go on\nthe preinst script of broken failed"}},
		"postinst": {map[string]string{"postinst": "#!/bin/sh\necho cannot go on\nexit 3\n"}, []string{
			"configure the packages: exit status 1\n",
			"\ncannot go on\ndpkg: error processing package broken (--configure):\n installed broken package post-installation script " +
				"subprocess returned error exit status 3\n"}},
		"leaks": {map[string]string{"postinst": "#!/bin/sh\n{ cat /usr/bin/sed; echo; } >/opt/sed\necho >" + library + "\n"}, []string{
			"a script left /opt/sed, a program of the building machine's architecture (" + sandbox.Host() + ")",
			"a script wrote " + library + ", which belongs to the building machine's architecture"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			env, l := *env, l
			env.Scratch = t.TempDir()
			env.Keep = name == "postinst"
			lock := *base
			lock.addPackage(t, "broken", test.control)
			l.Lock = &lock
			_, err := l.Make(t.Context(), &env, nil)
			for _, text := range test.err {
				require.ErrorContains(t, err, text)
			}
			require.Empty(t, users(t, env.Scratch))
			if env.Keep {
				kept, err := filepath.Glob(filepath.Join(env.Scratch, "configure*/files/tree/var/lib/dpkg/info/broken.postinst"))
				require.NoError(t, err)
				require.Len(t, kept, 1)
			}
		})
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	env := testEnv(t)
	l := testLayer()
	l.Lock = baseLock(t, env, l)
	files := baseTree(t, env, l)
	for name, test := range map[string]struct {
		free    int64
		command string
	}{
		"the tree":    {0, "true"},
		"the changes": {sandbox.Available(), "head -c 30000000 /dev/urandom >/big"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=20m"))
			defer func() { require.NoError(t, syscall.Unmount(dir, 0)) }()
			s := sandbox.Sandbox{Dir: dir, Architecture: l.Architecture, Date: date, Tree: files, Tools: tree.New(), Free: test.free}
			_, err := s.Run(t.Context(), nil, "/bin/sh", "-c", test.command)
			require.Error(t, err)
			// Whichever comes first on so small a disk.
			require.Regexp(t, "(?i): no space left on device|^the scripts were stopped before they filled the disk: ", err.Error())
		})
	}
}

// users lists processes that have a directory mounted, as their root, among their arguments or in their environment.
func users(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	for _, of := range []string{"mountinfo", "cmdline", "environ"} {
		names, err := filepath.Glob("/proc/[0-9]*/" + of)
		require.NoError(t, err)
		for _, name := range names {
			if text, err := os.ReadFile(name); err == nil && bytes.Contains(text, []byte(dir)) {
				out = append(out, name)
			}
		}
	}
	return out
}

// collectWarnings returns a function for Env.Progress that collects warnings.
func collectWarnings(to *[]string) func(layers.Progress) {
	var mu sync.Mutex
	return func(p layers.Progress) {
		mu.Lock()
		defer mu.Unlock()
		if p.Warning {
			*to = append(*to, p.Message)
		}
	}
}
