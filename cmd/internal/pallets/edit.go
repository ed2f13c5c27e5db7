package pallets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
)

func editCommands(w *Flags) []*cobra.Command {
	change := func(use, alias, short string, args cobra.PositionalArgs,
		do func(ctx context.Context, e pallet.Edit, args []string) error) *cobra.Command {
		return w.changing(&cobra.Command{
			Use: use, Aliases: []string{alias}, Short: short, Args: args, ValidArgsFunction: w.completeDeployments,
			Long: short + ". A deployment that is imported from another pallet is changed by an own file in its place, and\n" +
				"deleted by a modifier of its import group; both are shown.",
			RunE: func(cmd *cobra.Command, args []string) error {
				e, err := w.editDeployments(cmd)
				if err != nil {
					return err
				}
				if err := do(cmd.Context(), e, args); err != nil {
					return err
				}
				return cli.Silent(cmd, map[string]string{"deployment": args[0]})
			},
		})
	}
	return []*cobra.Command{
		addDeploymentCommand(w),
		change("del-depl DEPLOYMENT", "del-deployment", "Delete a deployment", cli.Exactly("DEPLOYMENT"),
			func(ctx context.Context, e pallet.Edit, args []string) error { return e.DeleteDeployment(ctx, args[0]) }),
		change("enable-depl DEPLOYMENT", "enable-deployment", "Enable a deployment", cli.Exactly("DEPLOYMENT"),
			func(ctx context.Context, e pallet.Edit, args []string) error {
				return e.SetDisabled(ctx, args[0], false)
			}),
		change("disable-depl DEPLOYMENT", "disable-deployment", "Disable a deployment", cli.Exactly("DEPLOYMENT"),
			func(ctx context.Context, e pallet.Edit, args []string) error {
				return e.SetDisabled(ctx, args[0], true)
			}),
		change("set-depl-pkg DEPLOYMENT PACKAGE", "set-deployment-package", "Change the package of a deployment",
			cli.Exactly("DEPLOYMENT", "PACKAGE"),
			func(ctx context.Context, e pallet.Edit, args []string) error {
				return e.SetPackage(ctx, args[0], args[1])
			}),
		change("add-depl-feat DEPLOYMENT FEATURE...", "add-deployment-feature", "Enable features of a deployment",
			cli.AtLeast("DEPLOYMENT", "FEATURE"),
			func(ctx context.Context, e pallet.Edit, args []string) error {
				return e.EnableFeatures(ctx, args[0], args[1:]...)
			}),
		change("del-depl-feat DEPLOYMENT FEATURE...", "del-deployment-feature", "Disable features of a deployment",
			cli.AtLeast("DEPLOYMENT", "FEATURE"),
			func(ctx context.Context, e pallet.Edit, args []string) error {
				return e.DisableFeatures(ctx, args[0], args[1:]...)
			}),
	}
}

// changing adds --dry-run to a command that changes deployments.
func (w *Flags) changing(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&w.dryRun, "dry-run", false, "show the changed files and write nothing")
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		if errors.Is(err, errDryRun) {
			return cli.Silent(cmd, map[string]string{"deployment": args[0]})
		}
		return err
	}
	return cmd
}

func addDeploymentCommand(w *Flags) *cobra.Command {
	var features []string
	var disabled, force bool
	cmd := &cobra.Command{
		Use:     "add-depl DEPLOYMENT PACKAGE",
		Aliases: []string{"add-deployment"},
		Short:   "Add a deployment of a package",
		Long: "Add a deployment of a package: of the pallet's own if its path begins with a slash, else of a required repository\n" +
			"or pallet. Where the pallet cannot be read with it, it is removed again, unless --force is given.",
		Args: cli.Exactly("DEPLOYMENT", "PACKAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := w.editDeployments(cmd)
			if err != nil {
				return err
			}
			if err := e.AddDeployment(cmd.Context(), args[0], args[1], features, disabled); err != nil {
				return err
			}
			if force {
				return cli.Silent(cmd, map[string]string{"deployment": args[0]})
			}
			if _, err := w.read(cmd); err != nil {
				if undo := e.DeleteDeployment(cmd.Context(), args[0]); undo != nil {
					return fmt.Errorf("%w\n%w", err, undo)
				}
				return err
			}
			return cli.Silent(cmd, map[string]string{"deployment": args[0]})
		},
	}
	cmd.Flags().StringSliceVar(&features, "feat", nil, "`feature` of the package to enable (repeatable)")
	cmd.Flags().BoolVar(&disabled, "disabled", false, "add it as a disabled one")
	cmd.Flags().BoolVar(&force, "force", false, "add it even if the package is not there")
	return w.changing(cmd)
}

func requirementCommands(w *Flags) []*cobra.Command {
	return []*cobra.Command{
		requireCommand(w, "add-plt PATH@QUERY...", "add-pallet", "Require pallets, or another version of them", pallet.Edit.SetRequirement),
		requireCommand(w, "add-repo PATH@QUERY...", "add-repository", "Require repositories, or another version of them", pallet.Edit.SetRepository),
		removeCommand(w, "del-plt PATH", "del-pallet", "Remove a required pallet", "pallets"),
		removeCommand(w, "del-repo PATH", "del-repository", "Remove a required repository", "repositories"),
	}
}

func requireCommand(w *Flags, use, alias, short string,
	set func(e pallet.Edit, r pallet.Requirement, sum string) error) *cobra.Command {
	return &cobra.Command{
		Use:     use,
		Aliases: []string{alias},
		Short:   short,
		Long:    short + ". The query is a branch, a tag or the beginning of a commit. What it means now is locked, with its hash.",
		Args:    cli.AtLeast("PATH@QUERY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := w.Source()
			if err != nil {
				return err
			}
			locked := []pallet.Requirement{}
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
				locked = append(locked, r)
			}
			return cli.Print(cmd, versions(locked), func(out io.Writer) error { return printLines(out, versions(locked)) })
		},
	}
}

func removeCommand(w *Flags, use, alias, short, kind string) *cobra.Command {
	return &cobra.Command{
		Use:     use,
		Aliases: []string{alias},
		Short:   short,
		Args:    cli.Exactly("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := w.removeRequirement(kind, args[0]); err != nil {
				return err
			}
			return cli.Silent(cmd, map[string]string{"path": args[0]})
		},
	}
}

// removeRequirement removes the lock of a required pallet or repository.
func (w *Flags) removeRequirement(kind, name string) (err error) {
	root, err := os.OpenRoot(w.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	dir := filepath.Join("requirements", kind, name)
	if _, err := root.Stat(filepath.Join(dir, lockFile)); err == nil {
		return root.RemoveAll(dir)
	}
	var required []string
	err = fs.WalkDir(root.FS(), filepath.Join("requirements", kind), func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Name() == lockFile {
			required = append(required, strings.TrimPrefix(filepath.Dir(path), filepath.Join("requirements", kind)+"/"))
		}
		return nil
	})
	if len(required) == 0 {
		required = []string{"nothing"}
	}
	return errors.Join(fmt.Errorf("pallet %s does not require %s: it requires %s", w.Dir, name, strings.Join(required, ", ")), err)
}

// lockFile is the file in the directory of a requirement that names its version.
const lockFile = "forklift-version-lock.yml"
