package spelling

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearest(t *testing.T) {
	names := []string{"uid", "gid", "mode", "source", "authorized-keys", "lib2", "lib1"}
	for mistyped, want := range map[string]string{
		"gidd": "gid", "sourcce": "source", "UID": "uid", "ud": "uid",
		"authorized_keys": "authorized-keys", "authorised-keys": "authorized-keys",
		"mdoe": "", "owner": "", "x": "", "": "", "authorized": "",
		"lib3": "lib1", "bid": "gid", // of several the first in alphabetical order
	} {
		require.Equal(t, want, Nearest(mistyped, names), mistyped)
	}
}
