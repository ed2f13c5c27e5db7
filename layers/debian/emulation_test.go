package debian

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const entryOfArm64 = `enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: PF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
`

func TestHandles(t *testing.T) {
	require.True(t, handles(entryOfArm64, header("arm64")))
	for name, entry := range map[string]string{
		"another machine": strings.Replace(entryOfArm64, "b700\n", "f300\n", 1),
		"disabled":        strings.Replace(entryOfArm64, "enabled", "disabled", 1),
		"looked up later": strings.Replace(entryOfArm64, "PF", "P", 1),
		"no magic":        "enabled\ninterpreter /usr/bin/jexec\nflags: F\nextension .jar\n",
		"beyond":          strings.Replace(entryOfArm64, "offset 0", "offset 4", 1),
		"status":          "enabled\n",
		"empty":           "",
	} {
		require.False(t, handles(entry, header("arm64")), name)
	}
	require.False(t, handles(entryOfArm64, header("armhf")))
}

func TestRegistration(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	_, err := registration("arm64")
	require.EqualError(t, err, "programs of arm64 need qemu-aarch64-static: install the package qemu-user-static")
	program := filepath.Join(dir, "qemu-aarch64")
	require.NoError(t, os.WriteFile(program, nil, 0o755))
	line, err := registration("arm64")
	require.NoError(t, err)
	require.Equal(t, `:pkbuild-arm64:M:0:\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:`+
		`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:`+program+":F", line)
}

// ownBinfmt starts this test's binary as root of a user namespace with a binfmt_misc of its own, which is empty.
func ownBinfmt(t *testing.T, size int, test string, env ...string) string {
	t.Helper()
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: size}}
	cmd := exec.Command("/bin/sh", "-c", `mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || exit 99; exec "$@"`, "sh",
		os.Args[0], "-test.run", "^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, Credential: &syscall.Credential{},
		UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true,
	}
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState.ExitCode() == 99 {
		unavailable(t, "needs Linux 6.7, where binfmt_misc is a user namespace's own")
	}
	require.NoError(t, err, string(out))
	return string(out)
}

// TestEmulationChild is no test of its own.
func TestEmulationChild(t *testing.T) {
	arch := os.Getenv(child + "_EMULATION")
	if arch == "" {
		return
	}
	require.False(t, inUserNamespace(), "all users of the machine are here")
	line, release, err := emulation(t.Context(), arch)
	require.NoError(t, err)
	require.Empty(t, line)
	found, ours := registered(binfmtDir, arch)
	require.True(t, found && ours)
	_, another, err := emulation(t.Context(), arch)
	require.NoError(t, err)
	require.NoError(t, release())
	found, _ = registered(binfmtDir, arch)
	require.True(t, found, "another build needs it")
	require.NoError(t, another())
	found, _ = registered(binfmtDir, arch)
	require.False(t, found)
	fmt.Println("registered and taken back")
}

func TestEmulationIsTakenBack(t *testing.T) {
	testEnv(t)
	need(t, "qemu-"+emulators[testLayer().Architecture]+"-static")
	out := ownBinfmt(t, 1<<32-1, "TestEmulationChild", child+"_EMULATION="+testLayer().Architecture)
	require.Contains(t, out, "registered and taken back\n")
}

func TestEmulationOfSandboxes(t *testing.T) {
	env := testEnv(t)
	l := testLayer()
	l.Lock = baseLock(t, env, l)
	out := ownBinfmt(t, 65536, "TestChild", childSpec(t, l, env))
	require.Contains(t, out, "\nSetting up base-files ")
	require.Contains(t, out, "\ndigest ")
}
