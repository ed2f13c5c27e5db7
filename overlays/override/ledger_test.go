package override_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/overlays/override"
)

func at(path, below string) override.Override { return override.Override{Path: path, Below: below} }

func TestLedgerDetectsHiddenUpdates(t *testing.T) {
	l := override.Ledger{}.Observe([]override.Override{at("/etc/a", "1"), at("/etc/b", "1"), at("/etc/new", "")}, 3)
	require.Empty(t, l.Hiding())
	l = l.Observe([]override.Override{at("/etc/a", "2"), at("/etc/b", "1"), at("/etc/new", "")}, 7)
	require.Equal(t, []string{"/etc/a"}, l.Hiding())
	require.Equal(t, override.Seen{Below: "1", Stage: 3, Hides: 7}, l["/etc/a"])

	l = l.Observe([]override.Override{at("/etc/a", "3"), at("/etc/new", "1")}, 8)
	require.Equal(t, 7, l["/etc/a"].Hides, "the update came with stage 7")
	require.Equal(t, override.Seen{Stage: 3, Hides: 8}, l["/etc/new"], "the stage has a file now that the user had added")
	require.NotContains(t, l, "/etc/b", "reverted overrides are dropped")

	kept := l.Keep(at("/etc/a", "3"), 8)
	require.Equal(t, override.Seen{Below: "3", Stage: 8}, kept["/etc/a"])
	require.Equal(t, 7, l["/etc/a"].Hides, "Keep does not change its receiver")
	back := l.Observe([]override.Override{at("/etc/a", "1")}, 9)
	require.Empty(t, back.Hiding(), "after a rollback it hides what it hid at first")
}

func TestLedgerFormat(t *testing.T) {
	l := override.Ledger{"/etc/a": {Below: "1", Stage: 3, Hides: 7}, "/etc/new": {Stage: 3}}
	data, err := l.Marshal()
	require.NoError(t, err)
	require.Equal(t, `{
  "overrides": {
    "/etc/a": {
      "below": "1",
      "stage": 3,
      "hides": 7
    },
    "/etc/new": {
      "stage": 3
    }
  },
  "version": 1
}
`, string(data))
	read, err := override.ParseLedger(data)
	require.NoError(t, err)
	require.Equal(t, l, read)
}

func TestParseLedgerErrors(t *testing.T) {
	for text, message := range map[string]string{
		"":              "parse the ledger of overrides: unexpected end of JSON input",
		`{"version":2}`: "parse the ledger of overrides: version is 2, want 1",
	} {
		_, err := override.ParseLedger([]byte(text))
		require.EqualError(t, err, message)
	}
}

func FuzzParseLedger(f *testing.F) {
	f.Add([]byte(`{"version":1,"overrides":{"/etc/a":{"below":"1","stage":3}}}`))
	f.Add([]byte(`{"version":1,"overrides":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := override.ParseLedger(data)
		if err != nil {
			return
		}
		written, err := l.Observe([]override.Override{at("/etc/a", "1")}, 1).Marshal()
		require.NoError(t, err)
		_, err = override.ParseLedger(written)
		require.NoError(t, err)
	})
}
