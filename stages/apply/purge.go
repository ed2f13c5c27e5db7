package apply

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
)

// Purge removes the containers, networks and volumes of all apps of stages: those that have a container, and those with
// the given names, of which only a volume may be left. Apps that the user started otherwise stay, even under such a
// name, and so do images. After an interruption it can be repeated.
func (c Converger) Purge(ctx context.Context, names []string) error {
	all, err := c.Docker.Containers(ctx)
	if errors.Is(err, exec.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	others := c.others(all)
	projects := append(c.orphans(all, nil), names...)
	slices.Sort(projects)
	var errs []error
	for _, project := range slices.Compact(projects) {
		if _, taken := others[project]; taken {
			continue
		}
		if err := c.Docker.Remove(ctx, project, true); err != nil {
			errs = append(errs, fmt.Errorf("remove app %s: %w", project, err))
			continue
		}
		c.Report(Outcome{Project: project, State: Removed})
	}
	return errors.Join(errs...)
}
