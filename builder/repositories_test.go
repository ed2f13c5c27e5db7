package builder

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers"
)

func TestRepositoriesOfTheDevice(t *testing.T) {
	const vendor, security = "Types: deb\nURIs: http://vendor.example\nSuites: stable\nComponents: main\nSigned-By: ",
		"Types: deb\nURIs: http://security.example\nSuites: trixie-security\nComponents: main\nSigned-By: " +
			"/usr/share/keyrings/debian-archive-keyring.gpg\n"
	for key, content := range map[string]string{"asc": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "gpg": "\x99\x01"} {
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
