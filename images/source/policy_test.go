package source

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPolicy(t *testing.T) {
	m := newMade(t, arm64, 100)
	for name, test := range map[string]struct{ policy, says string }{
		"anything": {`{"default":[{"type":"insecureAcceptAnything"}]}`, ""},
		"nothing":  {`{"default":[{"type":"reject"}]}`, "the policy of this machine forbids it (policy.json): "},
		"none of this registry": {`{"default":[{"type":"insecureAcceptAnything"}],"transports":{"docker":{"HOST":[{"type":"reject"}]}}}`,
			"the policy of this machine forbids it"},
		"only what is signed": {`{"default":[{"type":"signedBy","keyType":"GPGKeys","keyData":"eA=="}]}`, "the policy of this machine forbids it"},
		"broken":              {`{"default":`, "unexpected end of JSON input"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t)
			r.push(m, "caddy", "2.8")
			c := client(t, r)
			write(t, c.System.SignaturePolicyPath, strings.ReplaceAll(test.policy, "HOST", r.host()))
			_, err := c.Fetch(t.Context(), Pinned{Reference{Name: r.host() + "/caddy:2.8"}, m.digest()})
			if test.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.says)
			require.Zero(t, whole(t, c.Blobs), "nothing of it is kept")
			require.Empty(t, r.requests("/blobs/"))
		})
	}
}

// TestNoPolicy: a machine without one accepts what its locks name by digest.
func TestNoPolicy(t *testing.T) {
	r, m := newRegistry(t), newMade(t, arm64, 100)
	r.push(m, "caddy", "2.8")
	c := client(t, r)
	c.System.SignaturePolicyPath = ""
	c.System.RootForImplicitAbsolutePaths = t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("CONTAINERS_POLICY_JSON", "")
	ref := Pinned{Reference{Name: r.host() + "/caddy:2.8"}, m.digest()}
	_, err := c.Fetch(t.Context(), ref)
	require.NoError(t, err)
	t.Setenv("CONTAINERS_POLICY_JSON", "/nowhere/policy.json")
	_, err = client(t, r).Fetch(t.Context(), ref)
	require.NoError(t, err, "the client has one of its own")
	c.Blobs.Dir = t.TempDir()
	_, err = c.Fetch(t.Context(), ref)
	require.ErrorContains(t, err, "/nowhere/policy.json", "a policy that somebody names must be there")
}
