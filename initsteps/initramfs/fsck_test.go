package initramfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// ext4 makes an ext4 image, changed by commands of debugfs.
func ext4(t *testing.T, commands ...string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	out, err := exec.Command(needs.Program(t, "mke2fs"), "-q", "-t", "ext4", image, "8M").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, c := range commands {
		out, err := exec.Command(needs.Program(t, "debugfs"), "-w", "-R", c, image).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return image
}

// What the kernel marked as faulty, and what was mounted often, is checked and repaired, and the report says so.
func TestCheck(t *testing.T) {
	for what, c := range map[string]struct {
		commands                []string
		reason, result, problem string
	}{
		"clean":               {nil, "", "", ""},
		"marked as faulty":    {[]string{"set_super_value state 3"}, "it is marked as faulty, with 0 errors", "no errors", "has met errors (it is marked as faulty, with 0 errors), and e2fsck finds none"},
		"errors recorded":     {[]string{"set_super_value error_count 4"}, "it had 4 errors", "no errors", "has met errors"},
		"mounted often":       {[]string{"set_super_value mnt_count 30"}, "it was mounted 30 times since the last check", "no errors", ""},
		"not mounted often":   {[]string{"set_super_value mnt_count 29"}, "", "", ""},
		"a wrong block count": {[]string{"set_super_value state 3", "set_super_value free_blocks_count 7"}, "it is marked as faulty, with 0 errors", "errors corrected", "which e2fsck has corrected"},
		"an unattached inode": {[]string{"set_super_value state 3", "write /dev/null x", "unlink x"}, "it is marked as faulty, with 0 errors", "errors corrected", "which e2fsck has corrected: "},
		"an inconsistency": {[]string{"set_super_value state 3", "write /dev/null x", "ln x y", "set_inode_field <2> mode 0100644"},
			"it is marked as faulty, with 0 errors", "errors left", "run e2fsck -y on another computer"},
	} {
		t.Run(what, func(t *testing.T) {
			image := ext4(t, c.commands...)
			s, ok, err := readSuperblock(image)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, c.reason, s.due())
			if c.reason == "" {
				return
			}
			got, problem := check(needs.Program(t, "e2fsck"), image, s, func() {})
			require.Equal(t, c.result, got.Result, "%v", problem)
			require.Equal(t, c.reason, got.Reason)
			if c.problem == "" {
				require.NoError(t, problem)
			} else {
				require.ErrorContains(t, problem, c.problem)
			}
			if c.result == "errors left" {
				return
			}
			s, _, err = readSuperblock(image)
			require.NoError(t, err)
			require.Empty(t, s.due(), "the next boot does not check again")
		})
	}
}

func TestCheckWithoutProgram(t *testing.T) {
	got, problem := check("/nowhere/e2fsck", "/dev/x", superblock{errors: 4}, func() {})
	require.Equal(t, "not checked", got.Result)
	require.EqualError(t, problem, "root file system /dev/x should be checked (it had 4 errors), and the initramfs has no /nowhere/e2fsck")
}

func TestRunAlive(t *testing.T) {
	alive := 0
	require.NoError(t, runAlive(exec.Command("sleep", "1.5"), func() { alive++ }))
	require.Equal(t, 1, alive)
}

// The clock starts at the last write of the root file system, and never goes back.
func TestSetClock(t *testing.T) {
	image := ext4(t, "set_super_value wtime 20260304050607", "set_super_value mtime 20250101000000", "set_super_value mkfs_time 20240101000000")
	s, _, err := readSuperblock(image)
	require.NoError(t, err)
	proof := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	if s.newest.Sub(proof).Abs() > time.Hour { // debugfs writes wtime itself when it closes the file system
		proof = s.newest
	}
	for _, c := range []struct {
		now time.Time
		set bool
	}{{time.Unix(0, 0), true}, {s.newest.Add(-time.Second), true}, {s.newest, false}, {s.newest.Add(time.Hour), false}} {
		var got time.Time
		set, err := setClock(s.newest, func() time.Time { return c.now }, func(to time.Time) error { got = to; return nil })
		require.NoError(t, err)
		require.Equal(t, c.set, set)
		require.Equal(t, c.set, got.Equal(proof))
	}
}

func TestNoSuperblock(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.WriteFile(image, make([]byte, 4096), 0o600))
	_, ok, err := readSuperblock(image)
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, os.Truncate(image, 1000))
	_, _, err = readSuperblock(image)
	require.ErrorContains(t, err, "read superblock of "+image+": EOF")
}
