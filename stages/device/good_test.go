package device

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/overlays/override"
)

func TestRecordGood(t *testing.T) {
	d := Device{State: t.TempDir()}
	require.NoError(t, d.RecordGood(t.Context()), "without overrides")
	name := filepath.Join(d.State, "overrides/etc/motd")
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, nil, 0o644))
	require.NoError(t, d.RecordGood(t.Context()))
	good, err := read(d, override.GoodFile, override.ParseGood)
	require.NoError(t, err)
	files, err := override.ListFiles(filepath.Join(d.State, "overrides"))
	require.NoError(t, err)
	require.Len(t, good, 2)
	require.Empty(t, files.ChangedSince(good))
	require.NoError(t, os.WriteFile(name, []byte("changed"), 0o644))
	files, err = override.ListFiles(filepath.Join(d.State, "overrides"))
	require.NoError(t, err)
	require.Equal(t, []string{"etc/motd"}, files.ChangedSince(good))
}
