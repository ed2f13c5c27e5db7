package create

import (
	"os"
	"testing"

	"github.com/PlanktoScope/pkbuild/layers/sandbox"
)

// TestMain lets the sandboxes that tests run start the test binary as their supervisor.
func TestMain(m *testing.M) {
	sandbox.Main()
	os.Exit(m.Run())
}
