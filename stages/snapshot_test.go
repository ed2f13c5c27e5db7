package stages_test

import (
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

const manifest = "forklift-version: v0.8.0\npallet:\n  path: example.org/pallet\n"

func TestLoad(t *testing.T) {
	s, err := stages.Load(fstest.MapFS{
		"forklift-stage-store.yml": file("staged: {next: 4, history: [9, 1, 2, 2, 3, 0, -1]}"),
		"boot-state.json":          file(`{"version":1,"stages":{"4":{"attempts":2}}}`),
		"1/forklift-bundle.yml":    file(manifest),
		"2/forklift-bundle.yml":    file(""),
		"4/forklift-bundle.yml":    file("\x00\x00\x00"),
		"9/forklift-bundle.yml":    file("is not looked at"),

		// Temporary files that a power cut left, Forklift's included.
		"forklift-stage-store-swap.yml": file("staged: {next"),
		"boot-state.json.tmp":           file("{"),
		"10/pallet/half":                file(""),
	})
	require.NoError(t, err)
	require.Equal(t, 4, s.Staged.Next)
	require.Equal(t, 2, s.State.Stages[4].Attempts)
	require.Len(t, s.Bundles, 6)
	require.NotContains(t, s.Bundles, 9, "nobody needs to know")
	require.NoError(t, s.Bundles[1])
	require.EqualError(t, s.Bundles[2], "bundle's forklift-bundle.yml has no forklift-version")
	require.EqualError(t, s.Bundles[3], "directory 3 does not exist")
	require.EqualError(t, s.Bundles[4], "parse forklift-bundle.yml: [1:1] string was used where mapping is expected")
	require.EqualError(t, s.Bundles[-1], "-1 is not the number of a stage")
}

func TestLoadOfADamagedStoreIsUsable(t *testing.T) {
	for what, c := range map[string]struct {
		files   fstest.MapFS
		message string
		choice  stages.Choice
	}{
		"no files": {
			fstest.MapFS{},
			"read the stage store: open forklift-stage-store.yml: file does not exist",
			stages.Choice{Reason: "no stage can be used", Problem: "no stage is next"},
		},
		"store is a directory": {
			fstest.MapFS{"forklift-stage-store.yml/x": file("")},
			"read the stage store: read forklift-stage-store.yml: invalid argument",
			stages.Choice{Reason: "no stage can be used", Problem: "no stage is next"},
		},
		"state is broken": {
			fstest.MapFS{
				"forklift-stage-store.yml": file("staged: {next: 1}"),
				"boot-state.json":          file("{"),
				"1/forklift-bundle.yml":    file(manifest),
			},
			"parse boot-state.json: unexpected end of JSON input",
			stages.Choice{Stage: 1, Attempt: 1, Counted: 1, Reason: "stage 1 is next, attempt 1 of 3"},
		},
	} {
		t.Run(what, func(t *testing.T) {
			s, err := stages.Load(c.files)
			require.EqualError(t, err, c.message)
			require.Equal(t, c.choice, stages.Select(s))
		})
	}
}

// brokenFS fails to open every file with an error that is not "does not exist".
type brokenFS struct{}

func (brokenFS) Open(string) (fs.File, error) { return nil, errors.New("input/output error") }

func TestLoadReportsAllErrors(t *testing.T) {
	s, err := stages.Load(brokenFS{})
	require.EqualError(t, err, "read the stage store: input/output error\nread the stage store: input/output error")
	require.Zero(t, stages.Select(s).Stage)
}
