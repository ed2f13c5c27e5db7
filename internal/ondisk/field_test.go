package ondisk

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFieldAt(t *testing.T) {
	type inner struct{ A, B uint16 }
	type outer struct {
		First [3]byte
		inner
		Last uint32
	}
	var got []string
	for i := range 12 {
		got = append(got, FieldAt(reflect.TypeFor[outer](), i))
	}
	require.Equal(t, []string{"First", "First", "First", "A", "A", "B", "B", "Last", "Last", "Last", "Last", "_"}, got)
}
