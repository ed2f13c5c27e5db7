package mirror_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
)

func TestFind(t *testing.T) {
	m, err := mirror.Parse([]string{"a/=file:///a/", "a/b/=oci:/x:", "c=d=e"})
	require.NoError(t, err)
	for name, want := range map[string]string{"a/x": "file:///a/x", "a/b/y": "oci:/x:y", "c": "d=e", "b/a/": "", "": ""} {
		place, ok := m.Find(name)
		require.Equal(t, want, place, name)
		require.Equal(t, want != "", ok, name)
	}
}

func TestParseErrors(t *testing.T) {
	for _, s := range []string{"", "a", "=b", "a="} {
		_, err := mirror.Parse([]string{s})
		require.EqualError(t, err, `mirror "`+s+`" is not of the form prefix=place, such as `+
			`github.com/=file:///srv/git/github.com/`)
	}
}
