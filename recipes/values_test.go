package recipes

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "1": 1, "12B": 12, "3KiB": 3 << 10, "512MiB": 512 << 20, "2GiB": 2 << 30, "1TiB": 1 << 40,
		"9223372036854775807": math.MaxInt64, "8388607TiB": 8388607 << 40,
	} {
		got, err := ParseSize(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{"", "MiB", "1GB", "1 MiB", "-1", "1.5GiB", "0x10", "1mib", "+1", "1MiB\n"} {
		_, err := ParseSize(s)
		require.EqualError(t, err, quote(s)+" is not a size; write one in B, KiB, MiB, GiB or TiB, such as 512MiB")
	}
	for _, s := range []string{"8388608TiB", "9223372036854775808", "99999999999999999999"} {
		_, err := ParseSize(s)
		require.EqualError(t, err, quote(s)+" is too large; the largest size is 8388607TiB")
	}
}

func TestParseDate(t *testing.T) {
	for s, want := range map[string]time.Time{
		"2026-01-31":                time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC),
		"2026-01-31T12:34:56Z":      time.Date(2026, 1, 31, 12, 34, 56, 0, time.UTC),
		"2026-01-31T23:30:00-01:00": time.Date(2026, 2, 1, 0, 30, 0, 0, time.UTC),
		"1980-01-01":                time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),
		"2107-12-31T23:59:59Z":      time.Date(2107, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		got, err := ParseDate(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{"", "today", "2026-02-30", "2026-1-1", "2026-01-31 12:00:00", "2026-01-31T12:00"} {
		_, err := ParseDate(s)
		require.EqualError(t, err, quote(s)+" is not a date; write one such as 2026-01-31 or 2026-01-31T12:00:00Z")
	}
	for _, s := range []string{"1979-12-31", "1980-01-01T00:00:00+01:00", "2107-12-31T23:59:59-01:00"} {
		_, err := ParseDate(s)
		require.EqualError(t, err, quote(s)+" is not between 1980 and 2107, the years of a FAT file system")
	}
}

func TestParseMode(t *testing.T) {
	for s, want := range map[string]uint32{"644": 0o644, "0644": 0o644, "4755": 0o4755, "07777": 0o7777, "000": 0} {
		got, err := ParseMode(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{"", "888", "rwx", "10000", "-1", "0o644"} {
		_, err := ParseMode(s)
		require.EqualError(t, err, quote(s)+" is not a mode; write octal digits such as 0644")
	}
}
