package device

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/overlays/override"
)

// RecordGood records the current overrides (the user's changed files) as good, after a boot with a good verdict. After
// later boots without a verdict, pkinit disables the overrides that changed since.
func (d Device) RecordGood(ctx context.Context) error {
	files, err := override.ListFiles(filepath.Join(d.State, "overrides"))
	if err != nil {
		return fmt.Errorf("list overrides: %w", d.stateError(err))
	}
	return d.changeState(ctx, func() error { return d.write(override.GoodFile, files) })
}
