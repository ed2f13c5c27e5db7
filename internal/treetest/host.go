package treetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Host returns a tree with programs of this machine in /usr/bin and the libraries that they need, so that the programs run
// in it without emulation. Each program is given by name or path; date is the modification time of all entries.
func Host(t *testing.T, date time.Time, programs ...string) *tree.Tree {
	t.Helper()
	out := tree.New()
	put := func(name string, n *tree.Node) {
		n.ModTime = date
		require.NoError(t, out.Put(name, n))
	}
	for _, link := range []string{"bin", "lib", "lib64", "sbin"} {
		put("usr/"+link, &tree.Node{Mode: 0o755})
		put(link, &tree.Node{Type: tree.Symlink, Target: "usr/" + link})
	}
	for _, dir := range []string{"proc", "sys", "dev", "run", "opt", "etc", "var/log", "var/tmp"} {
		put(dir, &tree.Node{Mode: 0o755})
	}
	put("tmp", &tree.Node{Mode: 0o1777})
	seen := map[string]bool{}
	add := func(from, to string) {
		if seen[to] {
			return
		}
		seen[to] = true
		data, err := os.ReadFile(from)
		require.NoError(t, err)
		put(to, &tree.Node{Type: tree.Regular, Mode: 0o755, Content: tree.Inline(data)})
	}
	for _, program := range programs {
		from, err := exec.LookPath(program)
		require.NoError(t, err)
		add(from, "/usr/bin/"+filepath.Base(program))
		libraries, err := exec.Command("ldd", from).Output()
		if err != nil {
			continue // it is static
		}
		for field := range strings.FieldsSeq(string(libraries)) {
			if strings.HasPrefix(field, "/") {
				add(field, field)
			}
		}
	}
	return out
}
