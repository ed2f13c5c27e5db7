package stages_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages"
)

// full is a store file as Forklift writes it.
const full = `forklift-version: v0.7.0
staged:
    next: 3
    next-failed: true
    history:
        - 1
        - 3
        - 1
    names:
        factory-reset: 3
`

func TestParseStore(t *testing.T) {
	for what, c := range map[string]struct {
		text string
		want stages.Store
	}{
		"full": {full, stages.Store{ForkliftVersion: "v0.7.0", Staged: stages.Staged{
			Next: 3, NextFailed: true, History: []int{1, 3, 1}, Names: map[string]int{"factory-reset": 3},
		}}},
		"flow style, null list, unknown keys": {
			"forklift-version: v9\nfuture: [1, {a: b}]\nstaged: {next: 2, history: null, names: {}, other: x}\n",
			stages.Store{ForkliftVersion: "v9", Staged: stages.Staged{Next: 2, Names: map[string]int{}}},
		},
		"empty":  {"", stages.Store{}},
		"no key": {"staged:\n", stages.Store{}},
	} {
		t.Run(what, func(t *testing.T) {
			got, err := stages.ParseStore([]byte(c.text))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestParseStoreErrors(t *testing.T) {
	for what, c := range map[string]struct{ text, message string }{
		"wrong type": {"staged:\n    next: three\n", `parse forklift-stage-store.yml: [2:11] cannot unmarshal string into Go struct field Store.Staged of type int`},
		"not a map":  {"staged: [1]\n", `parse forklift-stage-store.yml: [1:9] sequence was used where mapping is expected`},
		"zeroes":     {"\x00\x00\x00\x00", `parse forklift-stage-store.yml: [1:1] string was used where mapping is expected`},
		"cut short":  {"staged: {next: 1", `parse forklift-stage-store.yml: [1:9] could not find flow mapping end token '}'`},
	} {
		t.Run(what, func(t *testing.T) {
			got, err := stages.ParseStore([]byte(c.text))
			require.EqualError(t, err, c.message)
			require.Zero(t, got)
		})
	}
}

func TestMarshalStore(t *testing.T) {
	s, err := stages.ParseStore([]byte(full))
	require.NoError(t, err)
	data, err := s.Marshal()
	require.NoError(t, err)
	require.Equal(t, full, string(data))
}

func TestNewStore(t *testing.T) {
	data, err := stages.NewStore(1, "factory-reset").Marshal()
	require.NoError(t, err)
	require.Equal(t, `forklift-version: v0.7.0
staged:
    next: 1
    history:
        - 1
    names:
        factory-reset: 1
`, string(data))
	require.Nil(t, stages.NewStore(1).Staged.Names)
}

func TestCurrent(t *testing.T) {
	require.Equal(t, 0, stages.Staged{}.Current())
	require.Equal(t, 2, stages.Staged{History: []int{3, 2}}.Current())
}

func FuzzParseStore(f *testing.F) {
	for _, seed := range []string{full, "staged: {next: 1", "staged: [1]", "\x00\x00", "a: &a [*a]", "staged: {history: [1, -1, 99999999999999999999]}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := stages.ParseStore(data)
		if err != nil {
			return
		}
		written, err := s.Marshal()
		require.NoError(t, err)
		again, err := stages.ParseStore(written)
		require.NoError(t, err, "reads what it wrote:\n%s", written)
		if len(s.Staged.History) == 0 {
			s.Staged.History, again.Staged.History = nil, nil
		}
		if len(s.Staged.Names) == 0 {
			s.Staged.Names, again.Staged.Names = nil, nil
		}
		require.Equal(t, s, again)
	})
}
