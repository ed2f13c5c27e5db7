package builder

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// nobody is the user ID of a user without files.
const nobody = 65534

// open makes a temporary directory of a test accessible to all users, and gives it to one.
func open(t *testing.T, dir string, uid int) string {
	t.Helper()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	if uid != os.Getuid() {
		require.NoError(t, os.Chown(dir, uid, uid))
	}
	return dir
}

// TestSameBytesAnywhere builds one plan in several directories, with other times of the sources, as several users with
// several umasks, with new and shared caches.
func TestSameBytesAnywhere(t *testing.T) {
	t.Setenv("PKBUILD_TEST_WORD", "a password")
	p, o := small(t)
	require.NoError(t, buildImage(t.Context(), p, o))
	want := sumLine(t, o.Output)
	open(t, o.Cache, os.Getuid())
	require.NoError(t, os.WriteFile(filepath.Join(o.Cache, "of-the-owner"), nil, 0o600))
	before := allFiles(t, o.Cache)
	for name, c := range map[string]struct {
		uid, umask int
		own        bool // a new cache
		shared     bool // the layers of the first build
	}{
		"umask 0077":                         {umask: 0o077, own: true},
		"umask 0002":                         {umask: 0o002, own: true},
		"nobody":                             {uid: nobody, umask: 0o022, own: true},
		"nobody with root's cache":           {uid: nobody, umask: 0o077, shared: false},
		"nobody with root's and a new cache": {uid: nobody, umask: 0o002, own: true, shared: true},
	} {
		t.Run(name, func(t *testing.T) {
			if os.Getuid() != 0 {
				needs.Unavailable(t, "only root may become other users")
			}
			dir := open(t, t.TempDir(), c.uid)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "motd"), []byte("hello\n"), 0o640))
			require.NoError(t, os.Chown(filepath.Join(dir, "motd"), c.uid, c.uid))
			require.NoError(t, os.Chtimes(filepath.Join(dir, "motd"), time.Unix(1, 0), time.Now().Add(time.Hour)))
			output, cache, shared := filepath.Join(open(t, t.TempDir(), c.uid), "small.img"), o.Cache, ""
			if c.own {
				cache = open(t, t.TempDir(), c.uid)
			}
			if c.shared {
				shared = o.Cache
			}
			spec, err := json.Marshal(map[string]any{
				"Plan": p, "Output": output, "Dir": dir, "Cache": cache, "Shared": shared, "Umask": c.umask})
			require.NoError(t, err)
			cmd := exec.Command("/proc/self/exe", "-test.run", "^TestProcess$", "-test.v")
			cmd.Dir = "/"
			cmd.Env = append(os.Environ(), process+"="+string(spec))
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(c.uid), Gid: uint32(c.uid)}}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			require.Equal(t, want, sumLine(t, output))
			made := "event base done"
			if c.shared || !c.own {
				made = "event base cached"
			}
			require.Contains(t, string(out), made)
			require.Equal(t, before, allFiles(t, o.Cache))
		})
	}
}

func sumLine(t *testing.T, image string) string {
	t.Helper()
	data, err := os.ReadFile(image + ".sha256")
	require.NoError(t, err)
	return string(data)
}

func allFiles(t *testing.T, dir string) (all []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
		all = append(all, name)
		return err
	}))
	return all
}
