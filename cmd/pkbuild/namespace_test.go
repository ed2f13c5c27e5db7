package main

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
)

func TestSubordinate(t *testing.T) {
	u := &user.User{Username: "ann", Uid: "1001"}
	for text, want := range map[string]string{
		"ann:100000:65536\n":                    "100000",
		"bob:100000:65536\nann:165536:65536\n":  "165536",
		"1001:200000:65536\n":                   "200000",
		"ann:100000:1000\nann:300000:100000\n":  "300000",
		"ann:100000:1000\n":                     "",
		"anna:100000:65536\n\nann:x:y\nann:1\n": "",
	} {
		first, ok := subordinate(text, u)
		require.Equal(t, want, first, text)
		require.Equal(t, want != "", ok, text)
	}
}

// TestRootlessChild is no test of its own: it is what an ordinary user starts.
func TestRootlessChild(t *testing.T) {
	dir := os.Getenv("PKBUILD_TEST_ROOTLESS")
	if dir == "" {
		t.Skip("is started by TestRootless")
	}
	cmd := &cobra.Command{RunE: rootless(func(*cobra.Command, []string) error {
		if err := sandbox.NeedRoot(); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "own"), nil, 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "given"), nil, 0o644); err != nil {
			return err
		}
		return os.Lchown(filepath.Join(dir, "given"), 1000, 1001)
	})}
	cmd.SetArgs(nil)
	require.NoError(t, cmd.ExecuteContext(t.Context()))
}

// TestRootless is an ordinary user, who is made up in a mount namespace.
func TestRootless(t *testing.T) {
	needs.Root(t)
	needs.Program(t, "newuidmap")
	for name, test := range map[string]struct{ subuid, path, err string }{
		"root of a namespace": {subuid: "ann:100000:65536\n"},
		"no numbers": {err: "scripts of packages need root, or to be root of a user namespace: no user namespace: /etc/subuid gives ann no 65536 numbers: " +
			"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ann"},
		"no program": {subuid: "ann:100000:65536\n", path: "/nowhere", err: "no user namespace: newuidmap is missing: install the package uidmap"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("/var/tmp", "pkbuild-test-")
			require.NoError(t, err)
			defer func() { require.NoError(t, os.RemoveAll(dir)) }()
			require.NoError(t, os.Chmod(dir, 0o755))
			exe, err := os.ReadFile("/proc/self/exe")
			require.NoError(t, err)
			for file, text := range map[string]string{
				"passwd": "root:x:0:0::/root:/bin/sh\nann:x:4242:4242::/:/bin/sh\n", "group": "root:x:0:\nann:x:4242:\n",
				"subuid": test.subuid, "subgid": test.subuid, "program": string(exe),
			} {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o755))
			}
			require.NoError(t, os.Mkdir(filepath.Join(dir, "home"), 0o755))
			require.NoError(t, os.Chown(filepath.Join(dir, "home"), 4242, 4242))
			path := test.path
			if path == "" {
				path = os.Getenv("PATH")
			}
			out, err := exec.Command("unshare", "--mount", "/bin/sh", "-euc", `
				for f in passwd group subuid subgid; do [ -e /etc/$f ] || : >/etc/$f; mount --bind "$1/$f" /etc/$f; done
				cd "$1/home"
				exec setpriv --reuid 4242 --regid 4242 --clear-groups env PATH="$2" PKBUILD_TEST_ROOTLESS="$1/home" \
					"$1/program" -test.run '^TestRootlessChild$'
			`, "sh", dir, path).CombinedOutput()
			if test.err != "" {
				require.Error(t, err)
				require.Contains(t, string(out), test.err)
				return
			}
			require.NoError(t, err, string(out))
			require.Equal(t, [2]uint32{4242, 4242}, owner(t, filepath.Join(dir, "home/own")))
			require.Equal(t, [2]uint32{100_999, 101_000}, owner(t, filepath.Join(dir, "home/given")))
		})
	}
}

func owner(t *testing.T, name string) [2]uint32 {
	t.Helper()
	info, err := os.Stat(name)
	require.NoError(t, err)
	s := info.Sys().(*syscall.Stat_t)
	return [2]uint32{s.Uid, s.Gid}
}
