package shell

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// A real shell reads the quoted arguments.
func TestJoin(t *testing.T) {
	args := []string{"plain", "", "two words", "it's", `"$HOME"`, "a\nb", "file=/x,,y", "*", `\`, "~", "a=b"}
	out, err := exec.Command("sh", "-c", `printf '%s\0' `+Join(args)).Output()
	require.NoError(t, err)
	want := ""
	for _, a := range args {
		want += a + "\x00"
	}
	require.Equal(t, want, string(out))
}
