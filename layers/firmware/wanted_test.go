package firmware

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWanted(t *testing.T) {
	for config, want := range map[string][]string{
		"": {"pi3", "pi4", "pi5"},
		"arm_64bit=1\n" + BoardsComment([]string{"cm4", "zero2w", "pi6"}) + "\r\nkernel=x\n": {"zero2w", "cm4"},
	} {
		var got []string
		for _, b := range Wanted(bootPartition(map[string]string{"config.txt": config})) {
			got = append(got, b.Name)
		}
		require.Equal(t, want, got)
	}
}
