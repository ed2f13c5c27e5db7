package pallet

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLintOfRealPallet has the defects of a real pallet that its own tool does not see.
func TestLintOfRealPallet(t *testing.T) {
	dir := sharedFile(t, "pallets/pallet-standard")
	p, err := Read(dir)
	require.NoError(t, err)
	warnings, err := p.Lint()
	require.NoError(t, err)
	all := strings.ReplaceAll(strings.Join(warnings, "\n"), dir, "P")
	t.Log(all)
	for _, want := range []string{
		"it serves /admin/fs/*, which deployment apps/filebrowser-root does not declare; it declares",
		"listener 1883/mqtt of deployment infra/mosquitto does not conflict with one on 1883/tcp: name the protocol tcp",
		"there is no unit network-pre.service; it is network-pre.target",
		"is not what is exported; is /etc/dnsmasq-templates.d meant?",
		"downloads ghcr.io/planktoscope/machine-name:0.1.3, which may become another one: add a checksum",
	} {
		require.Contains(t, all, want)
	}
}
