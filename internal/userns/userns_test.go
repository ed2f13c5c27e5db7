package userns

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
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

// TestIDMaps: each configuration that prevents a namespace has a message with the command that changes it.
func TestIDMaps(t *testing.T) {
	needs.Program(t, "newuidmap")
	u := &user.User{Username: "ann", Uid: "1001", Gid: "1002"}
	const subuid = "ann:100000:65536\n"
	for name, test := range map[string]struct {
		files map[string]string
		err   string
	}{
		"nothing forbids it": {map[string]string{"etc/subuid": subuid, "etc/subgid": subuid,
			"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "0\n", "proc/sys/user/max_user_namespaces": "31000\n",
			"proc/sys/kernel/unprivileged_userns_clone": "1\n"}, ""},
		"AppArmor, as on Ubuntu 24.04": {map[string]string{"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"},
			"AppArmor restricts user namespaces on this machine (as on Ubuntu since 24.04 and on GitHub's runners); " +
				"allow them with: sudo sysctl --write kernel.apparmor_restrict_unprivileged_userns=0"},
		"AppArmor with a profile": {map[string]string{"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
			"proc/self/attr/current": "pkbuild (unconfined)\n", "etc/subuid": subuid, "etc/subgid": subuid}, ""},
		"AppArmor without one": {map[string]string{"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
			"proc/self/attr/current": "unconfined\n"}, "AppArmor restricts user namespaces on this machine (as on Ubuntu since 24.04 and on " +
			"GitHub's runners); allow them with: sudo sysctl --write kernel.apparmor_restrict_unprivileged_userns=0"},
		"no namespaces": {map[string]string{"proc/sys/user/max_user_namespaces": "0\n"},
			"user namespaces are disabled; allow them with: sudo sysctl --write user.max_user_namespaces=10000"},
		"none for ordinary users": {map[string]string{"proc/sys/kernel/unprivileged_userns_clone": "0\n"},
			"user namespaces are disabled for ordinary users; allow them with: sudo sysctl --write kernel.unprivileged_userns_clone=1"},
		"no subordinate IDs": {nil, "/etc/subuid gives user ann fewer than 65536 IDs: " +
			"run sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ann"},
		"no subordinate groups": {map[string]string{"etc/subuid": subuid}, "/etc/subgid gives user ann fewer than 65536 IDs: " +
			"run sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ann"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir() + "/"
			for file, text := range test.files {
				require.NoError(t, os.MkdirAll(filepath.Dir(root+file), 0o755))
				require.NoError(t, os.WriteFile(root+file, []byte(text), 0o644))
			}
			maps, err := system{root}.idMaps(u)
			if test.err != "" {
				require.EqualError(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "0 1001 1 1 100000 65535", strings.Join(maps[0][1:], " "))
			require.Equal(t, "0 1002 1 1 100000 65535", strings.Join(maps[1][1:], " "))
		})
	}
}

// TestChild is started by TestRun, as an ordinary user.
func TestChild(t *testing.T) {
	dir := os.Getenv("PKBUILD_TEST_USERNS")
	if dir == "" {
		t.Skip("is started by TestRun")
	}
	if os.Geteuid() != 0 {
		err := Run(t.Context())
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			os.Exit(exit.ExitCode())
		}
		require.NoError(t, err)
		return
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "own"), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "given"), nil, 0o644))
	require.NoError(t, os.Lchown(filepath.Join(dir, "given"), 1000, 1001))
}

// TestRun runs as an ordinary user, who exists in a mount namespace only.
func TestRun(t *testing.T) {
	needs.Root(t)
	needs.Program(t, "newuidmap")
	for name, test := range map[string]struct{ subuid, path, err string }{
		"with subordinate IDs": {subuid: "ann:100000:65536\n"},
		"without":              {err: "cannot create a user namespace: /etc/subuid gives user ann fewer than 65536 IDs"},
		"without newuidmap":    {subuid: "ann:100000:65536\n", path: "/nowhere", err: "cannot create a user namespace: newuidmap is missing: install the package uidmap"},
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
				exec setpriv --reuid 4242 --regid 4242 --clear-groups env PATH="$2" PKBUILD_TEST_USERNS="$1/home" \
					"$1/program" -test.run '^TestChild$'
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
