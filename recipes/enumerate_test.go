package recipes

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEnumerate(t *testing.T) {
	require.Equal(t, "", enumerate(nil))
	require.Equal(t, "a", enumerate([]string{"a"}))
	require.Equal(t, "a and b", enumerate([]string{"a", "b"}))
	require.Equal(t, "a, b and c", enumerate([]string{"a", "b", "c"}))
}
