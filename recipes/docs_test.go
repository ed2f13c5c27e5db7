package recipes

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDocsAreFresh(t *testing.T) {
	schema, err := Schema()
	require.NoError(t, err)
	for path, want := range map[string][]byte{
		"../docs/recipe.md":          Reference(),
		"../docs/recipe.schema.json": schema,
	} {
		got, err := os.ReadFile(path)
		require.NoError(t, err, "run: make docs")
		require.Equal(t, string(want), string(got), "%s is stale; run: make docs", path)
	}
}

func TestExampleOfTheReferenceLoads(t *testing.T) {
	_, rest, found := strings.Cut(string(Reference()), "```yaml\n")
	require.True(t, found)
	example, _, _ := strings.Cut(rest, "```")
	_, err := load(map[string]string{"pi.yml": example}, nil)
	require.NoError(t, err)
}
