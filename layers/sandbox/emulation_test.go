package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/PlanktoScope/pkbuild/internal/needs"
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

// child is set in the process that the test below starts of itself: for which architecture.
const child = "PKBUILD_TEST_EMULATION"

// TestEmulationChild is no test of its own.
func TestEmulationChild(t *testing.T) {
	arch := os.Getenv(child)
	if arch == "" {
		return
	}
	require.False(t, inUserNamespace(), "all users of the machine are here")
	line, err := registration(arch)
	require.NoError(t, err)
	release, err := registerForMachine(t.Context(), arch, line)
	require.NoError(t, err)
	found, ours := registered(binfmtDir, arch)
	require.True(t, found && ours)
	another, err := registerForMachine(t.Context(), arch, line)
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
	needs.Root(t)
	arch := "arm64"
	if Host() == arch {
		arch = "amd64"
	}
	needs.Program(t, "qemu-"+emulators[arch]+"-static")
	out := needs.Binfmt(t, 1<<32-1, "TestEmulationChild", child+"="+arch)
	require.Contains(t, out, "registered and taken back\n")
}
