package debian

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

const differencesFile = "../../docs/debian-differences.md"

// known is a row of the table of differences.
type known struct{ pattern, what string }

func readKnown(t *testing.T) []known {
	t.Helper()
	text, err := os.ReadFile(differencesFile)
	require.NoError(t, err)
	var out []known
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			continue
		}
		require.NotEmpty(t, strings.TrimSpace(cells[3]), "a reason for %s", cells[1])
		out = append(out, known{pattern: strings.Trim(cells[1], " `"), what: strings.TrimSpace(cells[2])})
	}
	require.NotEmpty(t, out)
	return out
}

// unexplained are the differences that the table does not know.
func unexplained(t *testing.T, all []difference) []difference {
	t.Helper()
	table := readKnown(t)
	return slices.DeleteFunc(all, func(d difference) bool {
		return slices.ContainsFunc(table, func(k known) bool {
			match, err := path.Match(k.pattern, d.path)
			require.NoError(t, err)
			return match && k.what == d.what
		})
	})
}

// TestLikeMmdebstrap compares with what mmdebstrap makes of the same packages: of a few of this machine's
// architecture, which takes no emulation, or of those that the environment names.
func TestLikeMmdebstrap(t *testing.T) {
	t.Parallel()
	env := testEnv(t)
	l := testLayer()
	l.Components = []string{"main", "non-free-firmware"}
	reference := os.Getenv("PKBUILD_TEST_REFERENCE")
	if reference == "" {
		reference = mmdebstrap(t, env, &l)
	} else {
		l.Packages = strings.Split(os.Getenv("PKBUILD_TEST_PACKAGES"), ",")
	}
	want := openTree(t, reference)
	l.Date = latestIn(want)
	got, err := l.Make(t.Context(), env, nil)
	require.NoError(t, err)
	require.Empty(t, unexplained(t, newComparison(t, want, got).differences()))
}

func openTree(t *testing.T, name string) *tree.Tree {
	t.Helper()
	f, err := os.Open(name)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	tree, err := tree.ReadTar(f)
	require.NoError(t, err)
	return tree
}

// mmdebstrap makes the tree of a few packages of this machine's architecture.
func mmdebstrap(t *testing.T, env *layers.Env, l *Layer) string {
	t.Helper()
	needs.Program(t, "mmdebstrap")
	l.Architecture = sandbox.Host()
	l.Packages = []string{"ca-certificates", "dbus", "iputils-ping", "libcap2-bin", "openssh-server", "python3", "sudo", "systemd-resolved",
		"systemd-sysv", "vim"}
	file := filepath.Join(t.TempDir(), "reference.tar")
	cmd := exec.Command("mmdebstrap", "--mode=root", "--variant=minbase", "--architectures="+l.Architecture,
		"--components="+strings.Join(l.Components, ","), "--keyring="+Keyring, "--include="+strings.Join(l.Packages, ","),
		`--aptopt=Acquire::Languages "none"`, l.Suite, file, env.Mirror)
	cmd.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", date.Unix()))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return file
}

// TestComparisonSees changes a tree in every way that a difference can have.
func TestComparisonSees(t *testing.T) {
	for what, change := range map[string]func(tree *tree.Tree, n *tree.Node){
		"mode":       func(_ *tree.Tree, n *tree.Node) { n.Mode |= 0o4000 },
		"owner":      func(_ *tree.Tree, n *tree.Node) { n.UID = 42 },
		"attributes": func(_ *tree.Tree, n *tree.Node) { n.Xattrs = map[string]string{"security.capability": "x"} },
		"time":       func(_ *tree.Tree, n *tree.Node) { n.ModTime = n.ModTime.Add(-1) },
		"content":    func(_ *tree.Tree, n *tree.Node) { n.Content = tree.Inline("Y") },
		"type":       func(_ *tree.Tree, n *tree.Node) { n.Type = tree.Fifo },
		"links":      func(tree *tree.Tree, n *tree.Node) { bare := *n; require.NoError(t, tree.Put("bin/b", &bare)) },
		"missing":    func(tree *tree.Tree, _ *tree.Node) { tree.Remove("bin/a") },
	} {
		want, got := comparable(t), comparable(t)
		require.Empty(t, newComparison(t, want, got).differences())
		change(got, got.Get("bin/a"))
		all := newComparison(t, want, got).at("bin/a")
		require.Len(t, all, 1, what)
		require.Equal(t, what, all[0].what)
		require.Equal(t, all, unexplained(t, slices.Clone(all)))
	}
	want, got := comparable(t), comparable(t)
	w := recorder{tree: got, at: date}
	w.file("etc/passwd", "root:x:0:0::/:/bin/sh\nme:x:101:101::/:/bin/bash\n")
	require.Equal(t, []difference{{"etc/passwd", "content", "48 instead of 46"}}, newComparison(t, want, got).at("etc/passwd"))
	w.file("etc/passwd", "root:x:0:0::/:/bin/sh\nme:x:102:101::/:/bin/sh\n")
	require.Empty(t, newComparison(t, want, got).differences())
}

func comparable(t *testing.T) *tree.Tree {
	t.Helper()
	w := recorder{tree: tree.New(), at: date}
	w.file("etc/passwd", "root:x:0:0::/:/bin/sh\nme:x:101:101::/:/bin/sh\n")
	w.file("etc/group", "root:x:0:\nme:x:101:\n")
	w.script("bin/a", "X")
	w.put("bin/b", w.tree.Get("bin/a"))
	require.NoError(t, w.err)
	return w.tree
}

// TestToolsLeaveNoTrace builds once with the tools and once with emulation alone.
func TestToolsLeaveNoTrace(t *testing.T) {
	env := testEnv(t)
	if os.Getenv("PKBUILD_TEST_STRICT") == "" {
		t.Skip("takes minutes: set PKBUILD_TEST_STRICT=1")
	}
	l := testLayer()
	t.Parallel()
	l.Packages = []string{"kmod", "python3-minimal", "systemd-sysv"} // others, such as ca-certificates, take as long again
	l.Lock = baseLock(t, env, l)
	fast, err := l.Make(t.Context(), env, nil)
	require.NoError(t, err)
	bare := *env
	bare.Scratch = t.TempDir()
	l.Lock = &Lock{Packages: l.Lock.Packages, Tools: slices.DeleteFunc(slices.Clone(l.Lock.Tools), func(p Package) bool {
		return p.Name != "gcc-14-base" // which has no program; to have none at all is an error
	})}
	slow, err := l.Make(t.Context(), &bare, nil)
	require.NoError(t, err)
	require.Empty(t, newComparison(t, slow, fast).differences())
	require.Equal(t, digestOf(t, slow), digestOf(t, fast))
}
