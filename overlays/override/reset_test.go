package override_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/overlays/override"
)

func TestResetFormat(t *testing.T) {
	data, err := override.Reset{Stage: 7, Overrides: true, Containers: true}.Marshal()
	require.NoError(t, err)
	require.Equal(t, `{
  "version": 1,
  "stage": 7,
  "overrides": true,
  "containers": true
}
`, string(data))
	for _, r := range []override.Reset{{Stage: 7, Overrides: true, Containers: true}, {Stage: 7}, {Containers: true}} {
		data, err := r.Marshal()
		require.NoError(t, err)
		read, err := override.ParseReset(data)
		require.NoError(t, err)
		require.Equal(t, r, read)
	}
}

func TestParseResetErrors(t *testing.T) {
	for text, message := range map[string]string{
		"":                                 "parse the queued reset: unexpected end of JSON input",
		`{"version":2}`:                    "parse the queued reset: version is 2, want 1",
		`{"version":1}`:                    "parse the queued reset: 0 is not the number of a stage",
		`{"version":1,"stage":-1}`:         "parse the queued reset: -1 is not the number of a stage",
		`{"version":1,"overrides":true}`:   "parse the queued reset: 0 is not the number of a stage",
		`{"version":1,"stage":"one"}`:      "parse the queued reset: json: cannot unmarshal string into Go struct field .Reset.stage of type int",
		`{"version":1,"stage":1} and more`: "parse the queued reset: invalid character 'a' after top-level value",
	} {
		_, err := override.ParseReset([]byte(text))
		require.EqualError(t, err, message)
	}
}

func FuzzParseReset(f *testing.F) {
	f.Add([]byte(`{"version":1,"stage":7,"overrides":true,"containers":true}`))
	f.Add([]byte(`{"version":1,"containers":true}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := override.ParseReset(data)
		if err != nil {
			return
		}
		written, err := r.Marshal()
		require.NoError(t, err)
		again, err := override.ParseReset(written)
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}
