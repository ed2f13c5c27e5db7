package disk

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers"
)

func TestWrite(t *testing.T) {
	tree := layers.NewTree()
	big := bytes.Repeat([]byte("0123456789abcdef"), 40<<20/16)
	for _, n := range []string{"boot/firmware/kernel8.img", "boot/firmware/overlays/a-long-name-of-an-overlay.dtbo", "usr/bin/x"} {
		require.NoError(t, tree.Put(n, &layers.Node{Type: layers.Regular, Mode: 0o644, Content: layers.Inline(big)}))
	}
	name := filepath.Join(t.TempDir(), "x.img")
	f, err := os.Create(name)
	require.NoError(t, err)
	start := time.Now()
	require.NoError(t, Write(t.Context(), f, tree, Layout{Signature: 0x12345678, Time: time.Unix(1735689600, 0),
		Boot: Boot{Label: "bootfs", Size: 512 << 20, Serial: 0xcafebabe}, Root: Root{Label: "rootfs", UUID: uuid.MustParse("6d9e5a0c-0000-8000-8000-000000000001")}}, func(int64, int64) {}))
	t.Log(time.Since(start))
	os.Rename(name, "/tmp/x.img")
}
