package listing

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// TestOf lists one of each, as only root can make them.
func TestOf(t *testing.T) {
	needs.Root(t)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.Mkdir(in("d"), 0o700))
	require.NoError(t, os.WriteFile(in("d/a\nb"), []byte("abc"), 0o644))
	require.NoError(t, unix.Lsetxattr(in("d/a\nb"), "user.y", []byte("z"), 0))
	require.NoError(t, unix.Lsetxattr(in("d/a\nb"), "trusted.x", []byte("y\x00"), 0))
	require.NoError(t, os.Link(in("d/a\nb"), in("hard")))
	require.NoError(t, os.WriteFile(in("setuid"), nil, 0o600))
	require.NoError(t, os.Chown(in("setuid"), 5, 100000))
	require.NoError(t, unix.Chmod(in("setuid"), 0o4711))
	require.NoError(t, os.Symlink("no where", in("link")))
	require.NoError(t, os.Lchown(in("link"), 0, 7))
	require.NoError(t, unix.Mknod(in("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	require.NoError(t, unix.Mknod(in("whiteout"), unix.S_IFCHR, 0))
	require.NoError(t, unix.Lsetxattr(dir, "trusted.overlay.uuid", []byte("mounted"), 0))
	require.NoError(t, unix.Lsetxattr(in("d"), "trusted.overlay.origin", []byte("below"), 0))
	require.NoError(t, unix.Lsetxattr(in("d"), "trusted.overlay.impure", []byte("y"), 0))
	require.NoError(t, unix.Lsetxattr(in("d"), "trusted.overlay.opaque", []byte("y"), 0))
	require.NoError(t, os.Chmod(dir, 0o755))
	made := time.Date(2025, 3, 4, 5, 6, 7, 89, time.UTC)
	for _, name := range []string{"hard", "link", "whiteout", "d"} {
		ts := unix.NsecToTimespec(made.UnixNano())
		require.NoError(t, unix.UtimesNanoAt(unix.AT_FDCWD, in(name), []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
	}

	got, err := Of(dir, made.Add(1))
	require.NoError(t, err)
	const digestOfABC = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	require.Equal(t, []string{
		`directory 0755 0:0 - ""`,
		`directory 0700 0:0 2025-03-04T05:06:07.000000089Z "d" trusted.overlay.opaque="y"`,
		`regular file 0644 0:0 2025-03-04T05:06:07.000000089Z "d/a\nb" 3 ` + digestOfABC + ` trusted.x="y\x00" user.y="z"`,
		`regular file 0644 0:0 2025-03-04T05:06:07.000000089Z "hard" 3 ` + digestOfABC + ` trusted.x="y\x00" user.y="z" is "d/a\nb"`,
		`symlink 0777 0:7 2025-03-04T05:06:07.000000089Z "link" -> "no where"`,
		`character device 0644 0:0 - "null" 1:3`,
		`regular file 4711 5:100000 - "setuid" 0 sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855`,
		`character device 0000 0:0 - "whiteout" 0:0`,
	}, got)
}
