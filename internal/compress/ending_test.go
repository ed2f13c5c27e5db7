package compress

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFormatOf(t *testing.T) {
	for name, want := range map[string]Format{
		"x.img": None, "x": None, "gz": None, "a.gz/x": None, ".xz": Xz, "x.img.gz": Gzip, "x.IMG.GZ": Gzip, "x.tgz": Gzip,
		"x.zst": Zstd, "x.tar.zst": Zstd, "x.xz": Xz, "x.bz2": Bzip2, "x.zip": Zip, "x.lz4": "lz4", "x.7z": "7z", "x.Z": "compress",
	} {
		require.Equal(t, want, FormatOf(name), name)
	}
}
