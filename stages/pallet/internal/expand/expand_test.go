package expand_test

import (
	"math"
	"testing"

	"github.com/goccy/go-yaml/parser"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages/pallet/internal/expand"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]int{
		"":                                1,
		"a":                               1,
		"[a, b]":                          3,
		"{a: b}":                          3,
		"x: &x [a, b]\ny: [*x, *x]":       1 + 4 + 1 + 7,
		"x: &x {<<: *x}":                  math.MaxInt,
		"x: &x [&y [*x], *y]":             math.MaxInt,
		"a: &a [1]\nb: &a [*a, 1]\nc: *a": math.MaxInt,
		"a: *unknown":                     3,
	} {
		f, err := parser.ParseBytes([]byte(text), 0)
		require.NoError(t, err)
		require.Equal(t, want, expand.Size(f), text)
	}
}
