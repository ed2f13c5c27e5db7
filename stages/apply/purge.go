package apply

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
)

// Purge removes the containers, networks and volumes of all apps that stages brought: those that have a container now, and
// those of some names, of which a volume may be left. What the user runs stays, under such a name too; images stay. It can
// be repeated from any point.
func (c Converger) Purge(ctx context.Context, names []string) error {
	all, err := c.Docker.Containers(ctx)
	if errors.Is(err, exec.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	foreign := c.foreign(all)
	projects := append(c.orphans(all, nil), names...)
	slices.Sort(projects)
	var errs []error
	for _, project := range slices.Compact(projects) {
		if _, taken := foreign[project]; taken {
			continue
		}
		if err := c.Docker.Remove(ctx, project, true); err != nil {
			errs = append(errs, fmt.Errorf("remove app %s: %w", project, err))
			continue
		}
		c.Tell(Outcome{Project: project, State: Removed})
	}
	return errors.Join(errs...)
}
