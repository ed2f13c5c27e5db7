package debian

import (
	"crypto/md5"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// TestOwnVariants: a tool is laid over the program of the same package alone.
func TestOwnVariants(t *testing.T) {
	program := func(text string) *tree.Node {
		return &tree.Node{Type: tree.Regular, Mode: 0o755, Content: tree.Inline(text)}
	}
	sum := fmt.Sprintf("%x", md5.Sum([]byte("ls of arm64")))
	lists := map[string]string{
		"coreutils.list":                   "/.\n/usr/bin/ls\n/bin/cat\n",
		"coreutils.md5sums":                sum + "  usr/bin/ls\n" + sum + "  bin/cat\n",
		"systemd-standalone-sysusers.list": "/usr/bin/systemd-sysusers\n",
		"nosums:arm64.list":                "/usr/bin/nosums\n",
	}
	for name, test := range map[string]struct {
		pkg, name string
		node      *tree.Node
		diverted  string // package that a diversion is for
		want      bool
	}{
		"the same":                        {"coreutils", "usr/bin/ls", program("ls of arm64"), "", true},
		"under its former path":           {"coreutils", "usr/bin/cat", program("ls of arm64"), "", true},
		"without sums":                    {"nosums", "usr/bin/nosums", program("x"), "", true},
		"of another package":              {"systemd", "usr/bin/systemd-sysusers", program("sysusers of arm64"), "", false},
		"replaced by a script":            {"coreutils", "usr/bin/ls", program("uutils"), "", false},
		"a symlink to busybox":            {"coreutils", "usr/bin/ls", &tree.Node{Type: tree.Symlink, Target: "busybox"}, "", false},
		"missing":                         {"coreutils", "usr/bin/ls", nil, "", false},
		"diverted":                        {"coreutils", "usr/bin/ls", program("ls of arm64"), "uutils", false},
		"diverted for the package itself": {"coreutils", "usr/bin/ls", program("ls of arm64"), "coreutils", true},
	} {
		t.Run(name, func(t *testing.T) {
			files := tree.New()
			w := recorder{tree: files}
			for name, text := range lists {
				w.file(dpkgDir+"/info/"+name, text)
			}
			if test.diverted != "" {
				w.file(diversionsDB, "/usr/bin/ls\n/usr/bin/ls.real\n"+test.diverted+"\n")
			}
			if test.node != nil {
				w.put(test.name, test.node)
			}
			require.NoError(t, w.err)
			o, err := newOwnership(files)
			require.NoError(t, err)
			got, err := o.owns(test.pkg, "arm64", test.name)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}
