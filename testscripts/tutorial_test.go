package testscripts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// block is a fenced block of a page in Markdown. The words after its language say what the test does with it: run, run=image
// and run=boot are commands, file=NAME and append=NAME the content of a file, output is what the commands before it print.
type block struct {
	does, name, text string
	line             int
}

var fence = regexp.MustCompile("(?ms)^```[a-z]+ (run|file|append|output)(?:=(\\S+))?\n(.*?)^```$")

func blocks(t *testing.T, page string) []block {
	t.Helper()
	data, err := os.ReadFile(page)
	require.NoError(t, err)
	var list []block
	for _, m := range fence.FindAllSubmatchIndex(data, -1) {
		name := ""
		if m[4] >= 0 {
			name = string(data[m[4]:m[5]])
		}
		list = append(list, block{string(data[m[2]:m[3]]), name, string(data[m[6]:m[7]]), 1 + strings.Count(string(data[:m[0]]), "\n")})
	}
	require.NotEmpty(t, list)
	return list
}

// pageScript returns the commands of a page as one program of bash, which prints a line before the output of each block.
func pageScript(list []block, root string, full bool) string {
	var out strings.Builder
	out.WriteString("set -euo pipefail\n")
	for _, b := range list {
		path := filepath.Join(root, b.name)
		switch {
		case b.does == "file":
			fmt.Fprintf(&out, "mkdir -p '%s'\ncat > '%s' <<'END OF FILE'\n%sEND OF FILE\n", filepath.Dir(path), path, b.text)
		case b.does == "append":
			fmt.Fprintf(&out, "cat >> '%s' <<'END OF FILE'\n%sEND OF FILE\n", path, b.text)
		case b.does == "run" && (b.name == "" || full):
			fmt.Fprintf(&out, "echo 'line %d:'\n%s", b.line, b.text)
		}
	}
	return out.String()
}

// TestTutorial runs the commands of the tutorial in an empty directory, as its reader does, and compares their output.
// Commands that build an image or boot it run where PKBUILD_TEST_BOOTS is set.
func TestTutorial(t *testing.T) {
	bin, err := filepath.Abs(programs(t))
	require.NoError(t, err)
	checkout, err := filepath.Abs("..")
	require.NoError(t, err)
	root := t.TempDir()
	require.NoError(t, os.Symlink(checkout, filepath.Join(root, "pkbuild")))
	list := blocks(t, "../docs/tutorial.md")
	cmd := exec.Command("bash", "-c", pageScript(list, root, os.Getenv("PKBUILD_TEST_BOOTS") != ""))
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	needs.Program(t, "ssh-keygen")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for i, b := range list {
		if b.does != "output" {
			continue
		}
		_, after, found := strings.Cut(string(out), fmt.Sprintf("line %d:\n", list[i-1].line))
		require.True(t, found, "line %d: commands before the output did not run", b.line)
		got, _, _ := strings.Cut(after, "\nline ")
		require.Equal(t, strings.TrimSpace(b.text), strings.TrimSpace(got), "line %d", b.line)
	}
}
