package ext4

import (
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// tool runs a program of e2fsprogs or util-linux and returns its output.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(needs.Program(t, name), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC", "DEBUGFS_PAGER=cat")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s", cmd, out)
	return string(out)
}

var cleanFsck = regexp.MustCompile(`^e2fsck 1\.\S+ \(\S+\)
Pass 1: Checking inodes, blocks, and sizes
Pass 2: Checking directory structure
Pass 3: Checking directory connectivity
Pass 4: Checking reference counts
Pass 5: Checking group summary information
.*: \d+/\d+ files \(\d+\.\d% non-contiguous\), \d+/\d+ blocks
$`)

// fsck requires that e2fsck finds no problem.
func fsck(t *testing.T, image string) {
	t.Helper()
	require.Regexp(t, cleanFsck, tool(t, "e2fsck", "-fn", image))
}
