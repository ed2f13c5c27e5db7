package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/cmd/internal/clidoc"
)

// The generated reference in docs/ is that of the commands; `make docs` writes it.
func TestReferenceIsCurrent(t *testing.T) {
	want, err := os.ReadFile("../../docs/cli/pksegmenter.md")
	require.NoError(t, err)
	require.Equal(t, string(want), string(clidoc.Markdown(root())), "run: make docs")
}

// call runs pksegmenter.
func call(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = cli.Run(context.Background(), root(), args, &out, &err)
	return code, out.String(), err.String()
}

// TestRun draws a data set, segments it and looks at the results.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	code, _, stderr := call("sample", "few-broken", filepath.Join(dir, "data"))
	require.Zero(t, code, stderr)
	output := filepath.Join(dir, "out")
	code, stdout, stderr := call("run", "--json", "-o", output, filepath.Join(dir, "data"))
	require.Zero(t, code, stderr)
	require.Contains(t, stderr, "2026-01-01_12-00-02-000000.jpg: left out: JPEG file is incomplete")
	require.Contains(t, stderr, "picture 5/5, ")
	var results []summary
	require.NoError(t, json.Unmarshal([]byte(stdout), &results))
	require.Len(t, results, 1)
	require.Equal(t, 4, results[0].Pictures)
	require.Positive(t, results[0].Objects)
	require.FileExists(t, results[0].Archive)
	page, err := os.ReadFile(filepath.Join(output, "report.html"))
	require.NoError(t, err)
	require.Contains(t, string(page), "These pictures were simulated")

	code, _, stderr = call("run", "-q", "-o", output, dir, "--min-esd", "50")
	require.Zero(t, code, stderr)
	require.NotContains(t, stderr, "per second")

	require.NoError(t, os.CopyFS(filepath.Join(dir, "copy"), os.DirFS(filepath.Join(dir, "data"))))
	code, _, stderr = call("run", "-q", "-o", output, dir)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "have the same object_date, sample_id and acq_id: segment one of them with another --output")
}

func TestErrors(t *testing.T) {
	empty := t.TempDir()
	for _, test := range []struct {
		want string
		code int
		args []string
	}{
		{"no data set in " + empty + ": want a directory with a metadata.json", 1, []string{"run", empty}},
		{"DIR is missing", 2, []string{"run"}},
		{`"x" is not a positive number of MB`, 2, []string{"run", "--memory", "x", empty}},
		{`sample "x": want one of sparse, standard,`, 1, []string{"sample", "x", empty}},
		{`MQTT version is "4", want 5 or 3.1.1`, 2, []string{"serve", "--mqtt-version", "4"}},
	} {
		code, _, stderr := call(test.args...)
		require.Contains(t, stderr, test.want)
		require.Equal(t, test.code, code, stderr)
	}
}
