package source

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPolicy(t *testing.T) {
	m := newTestImage(t, arm64, 100)
	for name, test := range map[string]struct{ policy, want string }{
		"accept": {`{"default":[{"type":"insecureAcceptAnything"}]}`, ""},
		"reject": {`{"default":[{"type":"reject"}]}`, "this machine's policy.json rejects the image: "},
		"reject this registry": {`{"default":[{"type":"insecureAcceptAnything"}],"transports":{"docker":{"HOST":[{"type":"reject"}]}}}`,
			"this machine's policy.json rejects the image"},
		"signedBy": {`{"default":[{"type":"signedBy","keyType":"GPGKeys","keyData":"eA=="}]}`, "this machine's policy.json rejects the image"},
		"broken":   {`{"default":`, "unexpected end of JSON input"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t)
			r.push(m, "caddy", "2.8")
			c := client(t, r)
			write(t, c.System.SignaturePolicyPath, strings.ReplaceAll(test.policy, "HOST", r.host()))
			_, err := c.Fetch(t.Context(), Pinned{Reference{Name: r.host() + "/caddy:2.8"}, m.digest()})
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
			require.Zero(t, verifyBlobs(t, c.Blobs), "stored blobs")
			require.Empty(t, r.requests("/blobs/"))
		})
	}
}

// TestNoPolicy: without a policy.json every image is accepted; one that the environment names must exist.
func TestNoPolicy(t *testing.T) {
	r, m := newRegistry(t), newTestImage(t, arm64, 100)
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
	require.NoError(t, err, "the client has its own policy.json")
	c.Blobs.Dir = t.TempDir()
	_, err = c.Fetch(t.Context(), ref)
	require.ErrorContains(t, err, "/nowhere/policy.json")
}
