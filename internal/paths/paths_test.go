package paths

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		name, dir string
		want      bool
	}{
		{"/data", "/data", true},
		{"/data/x/y", "/data", true},
		{"/data/x", "/data/", true},
		{"/data2", "/data", false},
		{"/data/../etc", "/data", false},
		{"/", "/data", false},
		{"/etc", "/", true},
		{"etc/x", "etc", true},
		{"etc", "/etc", false},
	} {
		require.Equal(t, c.want, Within(c.name, c.dir), "%s in %s", c.name, c.dir)
	}
}
