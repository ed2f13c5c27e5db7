package pallets

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
)

func editCommands(w *Workbench) []*cobra.Command {
	change := func(use, alias, short string, args cobra.PositionalArgs, do func(args []string) error) *cobra.Command {
		return &cobra.Command{
			Use: use, Aliases: []string{alias}, Short: short, Args: args, ValidArgsFunction: w.completeDeployments,
			RunE: func(_ *cobra.Command, args []string) error { return do(args) },
		}
	}
	return []*cobra.Command{
		addDeploymentCommand(w),
		change("del-depl DEPLOYMENT", "del-deployment", "Delete a deployment", cli.Exactly("DEPLOYMENT"),
			func(args []string) error { return w.edit().DeleteDeployment(args[0]) }),
		change("enable-depl DEPLOYMENT", "enable-deployment", "Enable a deployment", cli.Exactly("DEPLOYMENT"),
			func(args []string) error { return w.edit().SetDisabled(args[0], false) }),
		change("disable-depl DEPLOYMENT", "disable-deployment", "Disable a deployment", cli.Exactly("DEPLOYMENT"),
			func(args []string) error { return w.edit().SetDisabled(args[0], true) }),
		change("set-depl-pkg DEPLOYMENT PACKAGE", "set-deployment-package", "Change the package of a deployment",
			cli.Exactly("DEPLOYMENT", "PACKAGE"), func(args []string) error { return w.edit().SetPackage(args[0], args[1]) }),
		change("add-depl-feat DEPLOYMENT FEATURE...", "add-deployment-feature", "Enable features of a deployment",
			atLeast("DEPLOYMENT", "FEATURE"), func(args []string) error { return w.edit().EnableFeatures(args[0], args[1:]...) }),
		change("del-depl-feat DEPLOYMENT FEATURE...", "del-deployment-feature", "Disable features of a deployment",
			atLeast("DEPLOYMENT", "FEATURE"), func(args []string) error { return w.edit().DisableFeatures(args[0], args[1:]...) }),
	}
}

// atLeast is Exactly with a last argument that may be repeated.
func atLeast(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		return cli.Exactly(names...)(cmd, args[:min(len(args), len(names))])
	}
}

func addDeploymentCommand(w *Workbench) *cobra.Command {
	var features []string
	var disabled, force bool
	cmd := &cobra.Command{
		Use:     "add-depl DEPLOYMENT PACKAGE",
		Aliases: []string{"add-deployment"},
		Short:   "Add a deployment of a package",
		Long: "Add a deployment of a package: one of the pallet's own if its path begins with a slash, else one of a required\n" +
			"repository or pallet. A deployment with which the pallet can no longer be read is not kept, unless with --force.",
		Example: "  pkctl pallet add-depl host/banner /packages/host/banner --feat loud",
		Args:    cli.Exactly("DEPLOYMENT", "PACKAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			e := w.edit()
			if err := e.AddDeployment(args[0], args[1], features, disabled); err != nil {
				return err
			}
			if force {
				return nil
			}
			if _, err := w.read(cmd); err != nil {
				if undo := e.DeleteDeployment(args[0]); undo != nil {
					return fmt.Errorf("%w\n%w", err, undo)
				}
				return err
			}
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&features, "feat", nil, "`feature` of the package to enable (repeatable)")
	cmd.Flags().BoolVar(&disabled, "disabled", false, "add it as a disabled one")
	cmd.Flags().BoolVar(&force, "force", false, "add it even if the package is not there")
	return cmd
}

func requirementCommands(w *Workbench) []*cobra.Command {
	return []*cobra.Command{
		requireCommand(w, "add-plt PATH@QUERY...", "add-pallet", "Require pallets, or another version of them", pallet.Edit.SetRequirement),
		requireCommand(w, "add-repo PATH@QUERY...", "add-repository", "Require repositories, or another version of them", pallet.Edit.SetRepository),
		removeCommand(w, "del-plt PATH", "del-pallet", "Require a pallet no longer", "pallets"),
		removeCommand(w, "del-repo PATH", "del-repository", "Require a repository no longer", "repositories"),
	}
}

func requireCommand(w *Workbench, use, alias, short string,
	set func(e pallet.Edit, r pallet.Requirement, sum string) error) *cobra.Command {
	return &cobra.Command{
		Use:     use,
		Aliases: []string{alias},
		Short:   short,
		Long:    short + ". The query is a branch, a tag or the beginning of a commit. What it means now is locked, with its hash.",
		Args:    atLeast("PATH@QUERY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := w.Source()
			if err != nil {
				return err
			}
			for _, arg := range args {
				r, err := s.Find(cmd.Context(), arg)
				if err != nil {
					return err
				}
				dir, err := s.Resolve(cmd.Context(), r)
				if err != nil {
					return err
				}
				sum, err := pallet.Sum(dir)
				if err != nil {
					return err
				}
				if err := set(w.edit(), r, sum); err != nil {
					return err
				}
				if err := say(cmd, "%s@%s\n", r.Path, r.Lock.Version()); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func removeCommand(w *Workbench, use, alias, short, kind string) *cobra.Command {
	return &cobra.Command{
		Use:     use,
		Aliases: []string{alias},
		Short:   short,
		Args:    cli.Exactly("PATH"),
		RunE: func(_ *cobra.Command, args []string) error {
			root, err := os.OpenRoot(w.Dir)
			if err != nil {
				return err
			}
			defer root.Close()
			dir := filepath.Join("requirements", kind, args[0])
			if _, err := root.Stat(filepath.Join(dir, "forklift-version-lock.yml")); err != nil {
				return fmt.Errorf("%s is not required: %w", args[0], err)
			}
			return root.RemoveAll(dir)
		},
	}
}
