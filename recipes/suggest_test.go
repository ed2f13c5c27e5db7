package recipes

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearest(t *testing.T) {
	names := []string{"uid", "gid", "mode", "source", "authorized-keys"}
	for mistyped, want := range map[string]string{
		"gidd": "gid", "sourcce": "source", "UID": "uid",
		"authorized_keys": "authorized-keys", "authorised-keys": "authorized-keys",
		"mdoe": "", "owner": "", "x": "", "": "", "authorized": "",
	} {
		require.Equal(t, want, nearest(mistyped, names), mistyped)
	}
}

func TestEnumerate(t *testing.T) {
	require.Equal(t, "", enumerate(nil))
	require.Equal(t, "a", enumerate([]string{"a"}))
	require.Equal(t, "a and b", enumerate([]string{"a", "b"}))
	require.Equal(t, "a, b and c", enumerate([]string{"a", "b", "c"}))
}
