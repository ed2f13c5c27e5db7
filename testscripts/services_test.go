package testscripts

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/qemu"
)

// needBoots skips a test that takes boots of its own where nobody asked for these.
func needBoots(t *testing.T) {
	t.Helper()
	if os.Getenv("PKBUILD_TEST_BOOTS") == "" {
		t.Skip("it takes further boots: run make boot-test")
	}
}

// TestServices boots the image with four containers, without a network.
func TestServices(t *testing.T) {
	needBoots(t)
	img := os.Getenv("PKBUILD_TEST_SERVICES")
	require.NotEmpty(t, img, "PKBUILD_TEST_SERVICES does not name the image of make services")
	r := boot(t, img, qemu.Options{Offline: true, Checks: []qemu.Check{script(t, "services")}})
	t.Logf("%+v", r.Seconds)
	t.Log(r.Checks[0].Text)
	require.Empty(t, qemu.Judge(r))
}
