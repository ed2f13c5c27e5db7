package images

import (
	"go/build"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImports: no package below images imports builder, cmd or stages, tests included; images and images/source, which
// stages import, do not import layers either.
func TestImports(t *testing.T) {
	const module = "github.com/PlanktoScope/pkbuild/"
	require.NoError(t, filepath.WalkDir(".", func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || d.Name() == "testdata" {
			return err
		}
		p, err := build.ImportDir(dir, 0)
		if _, none := err.(*build.NoGoError); none {
			return nil
		}
		require.NoError(t, err)
		forbidden := []string{"builder", "cmd", "stages"}
		if dir == "." || dir == "source" {
			forbidden = append(forbidden, "layers")
		}
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			first, _, _ := strings.Cut(strings.TrimPrefix(path, module), "/")
			require.False(t, strings.HasPrefix(path, module) && slices.Contains(forbidden, first), "images/%s imports %s", dir, path)
		}
		return nil
	}))
}
