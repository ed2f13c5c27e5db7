package stages_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages"
)

func TestBootStateFormat(t *testing.T) {
	text := `{
  "version": 1,
  "stages": {
    "3": {
      "attempts": 1,
      "last": "2026-05-04T03:02:01Z",
      "result": "pending"
    }
  }
}
`
	at := time.Date(2026, 5, 4, 5, 2, 1, 999, time.FixedZone("", 2*3600))
	state := stages.BootState{}.WithAttempt(3, at)
	data, err := state.Marshal()
	require.NoError(t, err)
	require.Equal(t, text, string(data))
	parsed, err := stages.ParseBootState([]byte(text))
	require.NoError(t, err)
	require.Equal(t, state, parsed)
}

func TestWithAttempt(t *testing.T) {
	good := stages.Record{Attempts: 0, Result: stages.Good}
	before := stages.BootState{Version: 1, Stages: map[int]stages.Record{1: good, 2: {Attempts: 1, Result: stages.Failed}}}
	after := before.WithAttempt(2, time.Unix(7, 0))
	require.Equal(t, map[int]stages.Record{1: good, 2: {Attempts: 2, Last: time.Unix(7, 0).UTC(), Result: stages.Pending}}, after.Stages)
	require.Equal(t, 1, before.Stages[2].Attempts, "the state before is as it was")
}

func TestParseBootStateErrors(t *testing.T) {
	for text, message := range map[string]string{
		``:                                  "parse boot-state.json: unexpected end of JSON input",
		"\x00\x00":                          `parse boot-state.json: invalid character '\x00' looking for beginning of value`,
		`{"version":2}`:                     "parse boot-state.json: version is 2, want 1",
		`{"stages":{}}`:                     "parse boot-state.json: version is 0, want 1",
		`{"version":1} x`:                   "parse boot-state.json: invalid character 'x' after top-level value",
		`{"version":1,"stages":{"one":{}}}`: "parse boot-state.json: json: cannot unmarshal number one into Go struct field BootState.stages of type int",
	} {
		got, err := stages.ParseBootState([]byte(text))
		require.EqualError(t, err, message)
		require.Zero(t, got)
	}
}

func FuzzParseBootState(f *testing.F) {
	f.Add([]byte(`{"version":1,"stages":{"3":{"attempts":1,"last":"2026-05-04T03:02:01Z","result":"pending"}}}`))
	f.Add([]byte(`{"version":1,"stages":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := stages.ParseBootState(data)
		if err != nil {
			return
		}
		written, err := s.WithAttempt(1, time.Unix(0, 0)).Marshal()
		require.NoError(t, err)
		_, err = stages.ParseBootState(written)
		require.NoError(t, err)
	})
}
