package builder

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/builder/disk"
)

func TestVerify(t *testing.T) {
	for _, reuse := range []bool{false, true} {
		p, o := small(t)
		states := map[string]int{}
		o.Events = func(e Event) { states[e.Step+" "+string(e.State)]++ }
		v, err := Verify(t.Context(), p, o.Workspace, VerifyOptions{filepath.Dir(o.Output), reuse})
		require.NoError(t, err)
		require.Equal(t, &Verification{Same: true, SHA256: [2]string{v.SHA256[0], v.SHA256[0]}}, v)
		require.Len(t, v.SHA256[0], 64)
		entries, err := os.ReadDir(filepath.Dir(o.Output))
		require.NoError(t, err)
		require.Empty(t, entries, "no file is left")
		if reuse {
			require.Equal(t, [2]int{1, 1}, [2]int{states["base done"], states["base cached"]})
		} else {
			require.Equal(t, [2]int{2, 0}, [2]int{states["base done"], states["base cached"]})
		}
		require.Equal(t, 2, states["disk done"])
	}
}

// TestVerifyNamesTheDifference changes a password between the builds.
func TestVerifyNamesTheDifference(t *testing.T) {
	t.Setenv("PKBUILD_TEST_WORD", "$6$one$x")
	p, o := small(t)
	o.Events = func(e Event) {
		if e.Step == "disk" && e.State == Finished {
			t.Setenv("PKBUILD_TEST_WORD", "$6$two$x")
		}
	}
	v, err := Verify(t.Context(), p, o.Workspace, VerifyOptions{Dir: filepath.Dir(o.Output)})
	require.NoError(t, err)
	require.False(t, v.Same)
	require.NotEqual(t, v.SHA256[0], v.SHA256[1])
	require.Equal(t, &disk.Difference{Partition: "root", Path: "/etc/shadow", Field: "content", Offset: 21, First: "0x6f", Second: "0x74"}, v.Difference)
	require.Equal(t, "root partition: /etc/shadow: content at byte 21: 0x6f, then 0x74", v.Difference.String())
	require.Len(t, v.Images, 2)
	for _, image := range v.Images {
		require.FileExists(t, image)
	}
	require.NoDirExists(t, filepath.Join(filepath.Dir(v.Images[0]), "cache"))
}

func TestVerifyThatFailsLeavesNothing(t *testing.T) {
	p, o := small(t)
	o.Events = func(e Event) {
		if e.Step == "disk" && e.State == Finished {
			require.NoError(t, os.WriteFile(filepath.Join(o.Dir, "motd"), []byte("changed\n"), 0o644))
		}
	}
	_, err := Verify(t.Context(), p, o.Workspace, VerifyOptions{Dir: filepath.Dir(o.Output)})
	require.ErrorContains(t, err, "changed since the plan was made")
	entries, err := os.ReadDir(filepath.Dir(o.Output))
	require.NoError(t, err)
	require.Empty(t, entries)
}
