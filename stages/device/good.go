package device

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/overlays/override"
)

// RecordGood records the overrides that are in force as good, after a good verdict: boots that end without a verdict from
// now on lead to a boot without the overrides that changed since then.
func (d Device) RecordGood(ctx context.Context) error {
	files, err := override.ListFiles(filepath.Join(d.State, "overrides"))
	if err != nil {
		return fmt.Errorf("list overrides: %w", d.stateError(err))
	}
	return d.changeState(ctx, func() error { return d.write(override.GoodFile, files) })
}
