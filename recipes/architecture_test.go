package recipes

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPackagesOfOneArchitecture(t *testing.T) {
	const text = `
name: a
base: {debian: {suite: trixie}}
layers:
  - packages: [vim, "raspi-firmware [arm64]", "grub [amd64]"]
  - install: ["firmware-brcm80211 [arm64]"]
  - files: [{target: /a, content: b}]
`
	for architecture, want := range map[string][]Layer{
		"":      {{Packages: []string{"vim", "raspi-firmware"}}, {Install: []string{"firmware-brcm80211"}}},
		"amd64": {{Packages: []string{"vim", "grub"}}},
	} {
		l := loader{read: func(string) ([]byte, error) { return []byte(text), nil }, isDir: isDir, options: Options{Architecture: architecture}}
		r, err := l.load("a.yml")
		require.NoError(t, err)
		require.Len(t, r.Layers, len(want)+1, "a layer without packages is dropped, one of another kind is not")
		for i, l := range want {
			require.Equal(t, l.Packages, r.Layers[i].Packages)
			require.Equal(t, l.Install, r.Layers[i].Install)
		}
	}
}
