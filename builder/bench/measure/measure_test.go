package measure

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPick(t *testing.T) {
	runs := []Run{{3 * time.Second, 10, 100}, {1 * time.Second, 30, 300}, {2 * time.Second, 20, 200}}
	require.Equal(t, Run{time.Second, 10, 100}, Least(runs))
	require.Equal(t, Run{2 * time.Second, 20, 200}, Middle(runs))
	require.Equal(t, Run{time.Second, 40, 300}, runs[1].With(runs[0]))
}

func TestCommand(t *testing.T) {
	r, err := Command(t.Context(), "sh", "-c", "exit 0")
	require.NoError(t, err)
	require.Positive(t, r.Wall)
	require.Positive(t, r.Memory)
	_, err = Command(t.Context(), "sh", "-c", "echo no room; exit 3")
	require.EqualError(t, err, "run sh -c echo no room; exit 3: exit status 3: no room\n")
}
