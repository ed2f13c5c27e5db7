package ext4

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTimes(t *testing.T) {
	for _, c := range []struct {
		time           time.Time
		seconds, extra uint32
	}{ // as in the kernel's documentation
		{time.Unix(-1, 0), 0xffffffff, 0},
		{time.Unix(minTime, 0), 0x80000000, 0},
		{time.Unix(0, 0), 0, 0},
		{time.Unix(1<<31-1, 1), 0x7fffffff, 4},
		{time.Unix(1<<31, 0), 0x80000000, 1},
		{time.Unix(1<<32, 999_999_999), 0, 999_999_999<<2 | 1},
		{time.Unix(3<<31, 0), 0x80000000, 2},
		{time.Unix(2<<32, 0), 0, 2},
		{time.Unix(5<<31, 0), 0x80000000, 3},
		{time.Unix(maxTime, 5), 0x7fffffff, 5<<2 | 3},
		{time.Unix(maxTime+1, 5), 0x7fffffff, 3},
		{time.Unix(minTime-1, 5), 0x80000000, 0},
		{time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), 0x80000000, 0},
	} {
		seconds, extra := diskTime(c.time)
		require.Equal(t, [2]uint32{c.seconds, c.extra}, [2]uint32{seconds, extra}, "%s", c.time)
	}
}
