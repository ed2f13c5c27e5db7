package qemu

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages/report"
)

func TestTimings(t *testing.T) {
	now := &Result{
		Report:  &report.Boot{Steps: []report.Step{{Name: "verify", Seconds: 0.25}, {Name: "new", Seconds: 0.5}}},
		Seconds: Seconds{Handoff: 3, Agent: 10, Settled: 40},
	}
	before := &Result{
		Report:  &report.Boot{Steps: []report.Step{{Name: "verify", Seconds: 0.5}}},
		Seconds: Seconds{Handoff: 6, Agent: 20, Settled: 40},
	}
	file := filepath.Join(t.TempDir(), "before.json")
	data, err := json.Marshal(before)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, data, 0o600))
	before, err = ReadResult(file)
	require.NoError(t, err)
	var text strings.Builder
	require.NoError(t, WriteTimings(&text, Timings(now, before)))
	require.Equal(t, `| phase         | seconds | before | ratio |
|---            |---      |---     |---    |
| handoff       | 3.000   | 6.000  | 0.50  |
| pkinit        | 0.750   | 0.500  | 1.50  |
| pkinit verify | 0.250   | 0.500  | 0.50  |
| pkinit new    | 0.500   |        |       |
| agent         | 10.000  | 20.000 | 0.50  |
| started       | 40.000  | 40.000 | 1.00  |
`, text.String())
	require.Zero(t, Timings(now, nil)[0].Before)

	require.NoError(t, os.WriteFile(file, []byte("{}"), 0o600))
	_, err = ReadResult(file)
	require.ErrorContains(t, err, "before.json: no times of a boot; make it with pkbuild boot --json")
	require.NoError(t, os.WriteFile(file, []byte("{"), 0o600))
	_, err = ReadResult(file)
	require.ErrorContains(t, err, "before.json: unexpected end of JSON input")
}
