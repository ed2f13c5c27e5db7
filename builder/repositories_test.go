package builder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers"
)

func TestRepositoriesOfTheDevice(t *testing.T) {
	const vendor, security = "Types: deb\nURIs: http://vendor.example\nSuites: stable\nComponents: main\nSigned-By: ",
		"Types: deb\nURIs: http://security.example\nSuites: trixie-security\nComponents: main\nSigned-By: " +
			"/usr/share/keyrings/debian-archive-keyring.gpg\n"
	for key, content := range map[string]string{"asc": armored, "gpg": "\x99\x01"} {
		p, err := compile(t, loaded(t, "vendor.asc", "vendor."+key), GatherOptions{})
		require.NoError(t, err)
		require.Equal(t, "repositories", p.Layers[1].Name)
		require.Equal(t, layers.Files{Entries: []layers.File{
			{Path: "/etc/apt/keyrings/vendor." + key, Type: "file", Mode: 0o644, Source: "keys/vendor." + key, SHA256: sum(content)},
			{Path: "/etc/apt/sources.list.d/vendor.sources", Type: "file", Mode: 0o644,
				Content: vendor + "/etc/apt/keyrings/vendor." + key + "\n"},
			{Path: "/etc/apt/sources.list.d/security.sources", Type: "file", Mode: 0o644, Content: security},
		}}, p.Layers[1].Layer)
	}
}

// TestSigningKeysAreNormalized: the device gets a key that apt reads, whatever editor it was saved with.
func TestSigningKeysAreNormalized(t *testing.T) {
	r := loaded(t)
	key := filepath.Join(r.Dir, "keys/vendor.asc")
	require.NoError(t, os.WriteFile(key, []byte("\xef\xbb\xbf"+strings.ReplaceAll(armored, "\n", "\r\n")), 0o600))
	p, err := compile(t, r, GatherOptions{})
	require.NoError(t, err)
	require.Equal(t, layers.File{Path: "/etc/apt/keyrings/vendor.asc", Type: "file", Mode: 0o644, Content: armored},
		p.Layers[1].Layer.(layers.Files).Entries[0])
	require.NoError(t, os.WriteFile(key, []byte("<!DOCTYPE html>"), 0o600))
	_, err = compile(t, r, GatherOptions{})
	require.EqualError(t, err, key[:len(key)-len("keys/vendor.asc")]+"buoy.yml:4:102: repositories[0].signed-by: signing key keys/vendor.asc "+
		"is an HTML page, such as a server's error page; download the key again")
}
