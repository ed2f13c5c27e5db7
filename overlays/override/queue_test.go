package override_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/overlays/override"
)

func TestQueueFormat(t *testing.T) {
	q := override.Queue{}.Add("/etc/motd", "/etc/hostname").Add("/etc/motd", "/usr/bin/x")
	data, err := q.Marshal()
	require.NoError(t, err)
	require.Equal(t, `{
  "paths": [
    "/etc/hostname",
    "/etc/motd",
    "/usr/bin/x"
  ],
  "version": 1
}
`, string(data))
	read, err := override.ParseQueue(data)
	require.NoError(t, err)
	require.Equal(t, q, read)
}

func TestParseQueueErrors(t *testing.T) {
	for text, message := range map[string]string{
		"":                                    "parse the queue of reverts: unexpected end of JSON input",
		`{"version":2}`:                       "parse the queue of reverts: version is 2, want 1",
		`{"version":1,"paths":["/etc/../x"]}`: `parse the queue of reverts: "/etc/../x" is not a path in an overlay`,
		`{"version":1,"paths":["etc/x"]}`:     `parse the queue of reverts: "etc/x" is not a path in an overlay`,
		`{"version":1,"paths":["/etc"]}`:      `parse the queue of reverts: "/etc" is not a path in an overlay`,
	} {
		_, err := override.ParseQueue([]byte(text))
		require.EqualError(t, err, message)
	}
}
