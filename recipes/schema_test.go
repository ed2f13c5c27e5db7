package recipes

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// part returns the part of the schema at a path of keys.
func part(t *testing.T, keys ...string) map[string]any {
	t.Helper()
	src, err := Schema()
	require.NoError(t, err)
	var s map[string]any
	require.NoError(t, json.Unmarshal(src, &s))
	for _, key := range keys {
		require.Contains(t, s, key)
		s = s[key].(map[string]any)
	}
	return s
}

func TestSchema(t *testing.T) {
	root := part(t)
	require.Equal(t, "https://json-schema.org/draft/2020-12/schema", root["$schema"])
	require.Equal(t, false, root["additionalProperties"])
	require.NotContains(t, root, "required", "name and base may come from an include")

	layer := part(t, "properties", "layers", "items")
	require.Equal(t, []any{
		map[string]any{"required": []any{"packages"}}, map[string]any{"required": []any{"install"}}, map[string]any{"required": []any{"files"}},
		map[string]any{"required": []any{"users"}}, map[string]any{"required": []any{"run"}},
		map[string]any{"required": []any{"stage"}}, map[string]any{"required": []any{"containers"}},
	}, layer["oneOf"])

	file := part(t, "properties", "layers", "items", "properties", "files", "items")
	require.Equal(t, []any{"target"}, file["required"])

	require.Equal(t, map[string]any{
		"type": "string", "default": "512MiB", "pattern": `^[0-9]+(B|[KMGT]iB)?$|\$\{`,
		"description": "Free space in the root file system, which grows to the size of the card on the device unless another partition does. " +
			"Form: a size in B, KiB, MiB, GiB or TiB, such as 512MiB.",
	}, part(t, "properties", "disk", "properties", "free"))

	require.Equal(t, map[string]any{
		"type": "string", "default": "arm64", "description": "Debian's name of the processor architecture.",
		"anyOf": []any{
			map[string]any{"enum": []any{"arm64"}}, map[string]any{"pattern": `\$\{`},
		},
	}, part(t, "properties", "architecture"))

	components := part(t, "properties", "base", "properties", "debian", "properties", "components")
	require.Equal(t, []any{"main"}, components["default"])
	require.NotContains(t, components["items"], "default")

	secrets := part(t, "properties", "secrets")
	require.Equal(t, map[string]any{"pattern": "^[a-z][a-z0-9_-]*$"}, secrets["propertyNames"])
}

func TestSchemaIsStable(t *testing.T) {
	first, err := Schema()
	require.NoError(t, err)
	for range 20 {
		again, err := Schema()
		require.NoError(t, err)
		require.Equal(t, string(first), string(again))
	}
}
