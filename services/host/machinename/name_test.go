package machinename

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNamesOfKnownSerialNumbers(t *testing.T) {
	for serial, want := range map[uint32]string{
		0xdeadc0de: "metal-slope-23501",
		0xd6b82659: "chain-list-27764",
		0x0:        "able-account-0",
		0x1:        "small-ball-26954",
		0x2:        "safe-minute-6738",
		0x3:        "linen-opinion-33692",
		0x4:        "cool-pocket-1684",
		0x8123:     "clear-field-33719",
	} {
		require.Equal(t, want, Of(serial), "%#x", serial)
	}
}

func TestNamesAreUniqueAndShort(t *testing.T) {
	seen := map[string]uint32{}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range uint32(20_000) {
		serial := i
		if i >= 10_000 {
			serial = r.Uint32() | 1<<31
		}
		name := Of(serial)
		require.LessOrEqual(t, len(name), 24)
		if other, ok := seen[name]; ok {
			require.Equal(t, other, serial)
		}
		seen[name] = serial
	}
}
