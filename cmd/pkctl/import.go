package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
	"github.com/PlanktoScope/pkbuild/stages/store"
	"github.com/PlanktoScope/pkbuild/stages/transfer"
)

// imported is what an import did.
type imported struct {
	Stage  int      `json:"stage"`
	There  bool     `json:"there"`  // whether the bundle was there before
	Images []string `json:"images"` // that were loaded
	Next   bool     `json:"next"`
}

func importCommand(d *device) *cobra.Command {
	var next, asJSON bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Add the stage in a file that another device exported, with its container images",
		Long: "Add the stage in a file that another device exported, with its container images. The file is verified completely\n" +
			"before anything changes. That tells damage, not who made it: what is in it runs as root.",
		Args: cli.Exactly("FILE"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			out, err := d.importFile(cmd, args[0], next)
			if err != nil {
				return err
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), out)
			}
			return out.say(cmd)
		},
	}
	cmd.Flags().BoolVar(&next, "next", false, "make it the stage to start with at the next boot")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (d *device) importFile(cmd *cobra.Command, name string, next bool) (imported, error) {
	f, err := os.Open(name)
	if err != nil {
		return imported{}, err
	}
	defer f.Close() // it was only read
	shown := &transferFace{w: cmd.ErrOrStderr()}
	defer shown.close()
	m := transfer.Importer{Docker: docker.Client{}, Store: d.dir, Space: transfer.Statfs, Say: shown.event}
	file, err := transfer.Read(f)
	if err != nil {
		return imported{}, fmt.Errorf("import %s: %w", name, err)
	}
	plan, err := m.Plan(cmd.Context(), file)
	if err != nil {
		return imported{}, fmt.Errorf("import %s: %w", name, err)
	}
	out, err := d.perform(cmd, m, plan, next)
	if err != nil {
		return imported{}, fmt.Errorf("import %s: %w", name, err)
	}
	return out, nil
}

// perform does what a plan says. The images come before the stage, and the record of them before the images, so that
// whenever it ends, no stage lacks its images, and prune finds them. While they are loaded the store is not locked.
func (d *device) perform(cmd *cobra.Command, m transfer.Importer, plan *transfer.Plan, next bool) (imported, error) {
	out := imported{Stage: plan.Stage, There: plan.Stage != 0, Images: []string{}, Next: next}
	if len(plan.Record.Images) > 0 {
		if err := d.change(cmd, func(*store.Store) error { return plan.WriteRecord(d.dir) }); err != nil {
			return out, err
		}
	}
	if err := m.LoadImages(cmd.Context(), plan); err != nil {
		return out, err
	}
	for _, i := range plan.Load {
		out.Images = append(out.Images, i.Names...)
	}
	err := d.change(cmd, func(s *store.Store) (err error) {
		if !out.There {
			out.Stage, err = s.Add(cmd.Context(), plan.Manifest(), plan.Fill)
		}
		if err != nil || !next {
			return err
		}
		return d.nextComplete(cmd, s, out.Stage)
	})
	return out, err
}

// nextComplete makes a stage the next one whose images are all there.
func (d *device) nextComplete(cmd *cobra.Command, s *store.Store, stage int) error {
	names, err := images.Of(cmd.Context(), d.dir, stage)
	if err != nil {
		return fmt.Errorf("stage %d is there, but not next: %w", stage, err)
	}
	if len(names) > 0 {
		missing, err := d.missing(cmd, names)
		if err == nil && len(missing) > 0 {
			err = fmt.Errorf("image %s is neither in the file nor on this device", missing[0])
		}
		if err != nil {
			return fmt.Errorf("stage %d is there, but not next: %w", stage, err)
		}
	}
	return s.SetNext(stage)
}

func (d *device) missing(cmd *cobra.Command, names []string) ([]string, error) {
	record, err := images.ReadRecord(d.dir)
	if err != nil {
		return nil, err
	}
	host, err := docker.Client{}.Host(cmd.Context())
	if err != nil {
		return nil, err
	}
	return images.Missing(cmd.Context(), docker.Client{}, host, record, names)
}

func (i imported) say(cmd *cobra.Command) error {
	what := map[bool]string{false: "imported", true: "there already"}[i.There]
	err := say(cmd, "stage %d is %s, %d images were loaded\n", i.Stage, what, len(i.Images))
	if i.Next {
		return errors.Join(err, say(cmd, "it is next: reboot to start with it\n"))
	}
	return errors.Join(err, say(cmd, "to start with it: pkctl stage set-next %d, then reboot\n", i.Stage))
}
