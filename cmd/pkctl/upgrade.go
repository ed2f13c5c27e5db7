package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"golang.org/x/mod/semver"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/cmd/internal/pallets"
	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
)

// upgradesFile says what upgrades follow, beside the stages. Forklift has one of the same content in a user's home.
const upgradesFile = "pallet-upgrades.yml"

// upgrades is the pallet that upgrades are of, and the branch or tag that they follow.
type upgrades struct {
	Path  string `yaml:"path"`
	Query string `yaml:"version-query"`
}

// parseUpgrades reads PATH@QUERY.
func parseUpgrades(text string) (upgrades, error) {
	path, query, ok := strings.Cut(text, "@")
	if !ok || path == "" || query == "" {
		return upgrades{}, fmt.Errorf("%w: %q is not of the form PATH@QUERY", cli.ErrUsage, text)
	}
	return upgrades{path, query}, nil
}

func readUpgrades(dir string) (u upgrades, err error) {
	name := filepath.Join(dir, upgradesFile)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return u, errors.New("it is not known which pallet to follow: name one with: pkctl pallet switch PATH@QUERY")
	}
	if err != nil {
		return u, err
	}
	if err := yaml.Unmarshal(data, &u); err != nil || u.Path == "" || u.Query == "" {
		return u, fmt.Errorf("%s does not name a pallet and a query: switch to a pallet anew", name)
	}
	return u, nil
}

// write replaces the file. Whoever calls it has locked the store.
func (u upgrades) write(dir string) error {
	data, err := yaml.Marshal(u)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, upgradesFile), data, 0o644)
}

func upgradeCommand(d *device, w *pallets.Workbench) *cobra.Command {
	var downgrade, force, check bool
	cmd := &cobra.Command{
		Use:   "upgrade [@QUERY]",
		Short: "Stage what the branch or tag of the pallet is now, to start with at the next boot",
		Args:  cli.Optional("@QUERY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			followed, err := readUpgrades(d.dir)
			if err != nil {
				return err
			}
			if len(args) > 0 {
				followed.Query = strings.TrimPrefix(args[0], "@")
			}
			found, err := find(cmd, w, followed)
			if err != nil {
				return err
			}
			newer, err := d.newer(cmd, found, downgrade)
			switch {
			case err != nil:
				return err
			case !newer && !force:
				return say(cmd, "%s %s is staged already\n", found.Path, found.Lock.Version())
			case check:
				return say(cmd, "%s %s can be staged\n", found.Path, found.Lock.Version())
			}
			return d.follow(cmd, w, followed, found)
		},
	}
	cmd.Flags().BoolVar(&downgrade, "allow-downgrade", false, "stage an older version, too")
	cmd.Flags().BoolVar(&force, "force", false, "stage what is staged already, too")
	cmd.Flags().BoolVar(&check, "check", false, "only say whether there is something to stage")
	return cmd
}

// newer reports whether what was found is not what is next. That it is older is an error, unless that is allowed.
func (d *device) newer(cmd *cobra.Command, found pallet.Requirement, downgrade bool) (bool, error) {
	next := d.load(cmd).Staged.Next
	if next == 0 {
		return true, nil
	}
	m, err := d.manifest(next)
	if err != nil {
		return true, nil // a broken stage is no reason to stay with it
	}
	now, then := found.Lock.Version(), m.Pallet.Version
	switch {
	case m.Pallet.Path != found.Path:
		return true, nil
	case now == then:
		return false, nil
	case semver.Compare(now, then) < 0 && !downgrade:
		return false, fmt.Errorf("%s %s is older than %s, which is next: stage it with --allow-downgrade", found.Path, now, then)
	}
	return true, nil
}
