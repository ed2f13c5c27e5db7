package initsteps_test

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/initsteps/internal/nstest"
	"github.com/PlanktoScope/pkbuild/layers/bootset"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// flashed is a card as it was flashed, whose command line asks for an identity of its own.
func flashed() *recorder {
	r := rescued(nil)
	for name, text := range map[string]string{
		"proc/cmdline":                "root=PARTUUID=5d8f1a2b-02 pkinit.identity=5d8f1a2b\n",
		onBoot + "cmdline.txt":        "root=PARTUUID=5d8f1a2b-02 pkinit.identity=5d8f1a2b\n",
		onBoot + "boot-2/cmdline.txt": "root=PARTUUID=5d8f1a2b-02\n",
		"etc/fstab":                   "PARTUUID=5d8f1a2b-02 / ext4 defaults 0 1\nPARTUUID=5d8f1a2b-01 /boot/firmware vfat nofail 0 2\n",
	} {
		r.files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	sum := sha256.Sum256(r.files[onBoot+"boot-2/cmdline.txt"].Data)
	r.files[onBoot+"boot-2/set.json"] = &fstest.MapFile{Data: bootset.FormatManifest("7.3.4", map[string]bootset.File{
		"cmdline.txt": {Size: 26, SHA256: fmt.Sprintf("%x", sum)}, "vmlinuz": {Size: 1, SHA256: fmt.Sprintf("%064x", 1)},
	})}
	return r
}

func (r *recorder) text(name string) string { return string(r.files[name].Data) }

// requireFound checks that the command line on the card leads to the root file system.
func requireFound(t *testing.T, what string, r *recorder) {
	t.Helper()
	ids := []string{fmt.Sprintf("%08x", binary.LittleEndian.Uint32(r.card.table[440:]))}
	if previous, ok := initsteps.PreviousID(r.card.table); ok {
		ids = append(ids, fmt.Sprintf("%08x", previous))
	}
	for _, name := range []string{"cmdline.txt", "boot-2/cmdline.txt"} {
		_, id, _ := strings.Cut(r.text(onBoot+name), "PARTUUID=")
		require.Contains(t, ids, id[:8], "%s: %s", what, name)
	}
}

func requireIdentity(t *testing.T, what string, r *recorder) {
	t.Helper()
	require.Equal(t, "root=PARTUUID=5a5a5a5a-02 pkinit.identity=5d8f1a2b\n", r.text(onBoot+"cmdline.txt"), what)
	require.Equal(t, "root=PARTUUID=5a5a5a5a-02\n", r.text(onBoot+"boot-2/cmdline.txt"), what)
	require.Equal(t, "PARTUUID=5a5a5a5a-02 / ext4 defaults 0 1\nPARTUUID=5a5a5a5a-01 /boot/firmware vfat nofail 0 2\n", r.text("etc/fstab"), what)
	require.Contains(t, r.text(onBoot+"boot-2/set.json"), fmt.Sprintf("%x", sha256.Sum256([]byte(r.text(onBoot+"boot-2/cmdline.txt")))), what)
	require.Contains(t, r.text(onBoot+"boot-2/set.json"), fmt.Sprintf("%064x", 1), what)
	_, changing := initsteps.PreviousID(r.card.table)
	require.False(t, changing, what)
	require.Equal(t, "5a5a5a5a", fmt.Sprintf("%08x", binary.LittleEndian.Uint32(r.card.table[440:])), what)
	require.NotEmpty(t, r.card.serial, what)
	require.Contains(t, r.calls, "uuid /", what)
}

func TestIdentity(t *testing.T) {
	r := flashed()
	b, err := inInitramfs(r)
	require.NoError(t, err)
	require.Empty(t, b.Problems)
	require.Equal(t, report.Done, states(b)["make-identity"])
	requireFound(t, "", r)
	requireIdentity(t, "", r)

	r.reboot()
	r.calls = nil
	b, err = inInitramfs(r)
	require.NoError(t, err)
	require.Equal(t, report.Skipped, states(b)["make-identity"], "once")
	require.NotContains(t, r.calls, "random 24")
}

// The power fails before each call to the system: the card leads to its root file system, and the next boot completes the
// identity.
func TestIdentityPowerCuts(t *testing.T) {
	whole := flashed()
	_, err := inInitramfs(whole)
	require.NoError(t, err)
	for cut := range whole.calls {
		r := flashed()
		r.fail = func(n int, _ string) bool { return n > cut } // nothing has an effect any more
		_, _ = inInitramfs(r)
		requireFound(t, whole.calls[cut], r)
		r.fail = nil
		r.reboot()
		_, err := inInitramfs(r)
		require.NoError(t, err)
		requireFound(t, whole.calls[cut], r)
		requireIdentity(t, whole.calls[cut], r)
	}
}

func TestIdentityIsKept(t *testing.T) {
	for what, c := range map[string]struct {
		change func(*recorder)
		note   string
	}{
		"not asked for":  {func(r *recorder) { r.files["proc/cmdline"].Data = nil }, "the kernel's command line has no pkinit.identity"},
		"another disk":   {func(r *recorder) { r.card.table[440]++ }, "/dev/mmcblk0 has an identity of its own"},
		"boot code":      {func(r *recorder) { r.card.table[425] = 1 }, "/dev/mmcblk0 has boot code in its MBR"},
		"a GPT":          {func(r *recorder) { r.card.table[446+4] = 0xee }, "/dev/mmcblk0 has no MBR partition table"},
		"read-only root": {func(r *recorder) { r.mounts[0].Options = "ro" }, "the file system is not writable (ro)"},
	} {
		r := flashed()
		c.change(r)
		b := newBoot(r)
		require.NoError(t, b.One("make-identity"), what)
		require.Equal(t, c.note, b.Report.Steps[0].Note, what)
	}
}

// The UUID of a mounted ext4 changes on a real kernel, and e2fsck accepts the file system.
func TestSetUUID(t *testing.T) {
	dir := nstest.Run(t, nstest.AsRoot)
	if dir == "" {
		return
	}
	image, at := filepath.Join(dir, "image"), filepath.Join(dir, "at")
	require.NoError(t, os.Mkdir(at, 0o755))
	run(t, "mke2fs", "-q", "-t", "ext4", "-O", "metadata_csum,metadata_csum_seed", image, "16M")
	run(t, "mount", "-o", "loop", image, at)
	id := uuid.MustParse("01234567-89ab-4def-8123-456789abcdef")
	err := initsteps.Linux{}.SetUUID(at, id)
	run(t, "umount", at)
	require.NoError(t, err)
	require.Contains(t, run(t, "dumpe2fs", "-h", image), id.String())
	run(t, "e2fsck", "-n", "-f", image)

	var path *fs.PathError
	require.False(t, errors.As(initsteps.Linux{}.SetUUID(dir, id), &path), "a tmpfs has no UUID")
}
