package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/builder"
	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/qemu"
	"github.com/PlanktoScope/pkbuild/qemu/scenario"
)

func testCommand() *cobra.Command {
	var build buildFlags
	var o suiteOptions
	var scenarios string
	var short bool
	cmd := &cobra.Command{
		Use:   "test RECIPE [SCENARIO...]",
		Short: "Build the image of a recipe and run its scenarios in QEMU",
		Long: "Build the image of a recipe and run its scenarios in QEMU: the files scenarios/*.yml beside the recipe, or those\n" +
			"that are named. docs/scenarios.md describes them. The exit code is 1 if a scenario fails; its files stay then.",
		Example: "  pkbuild test pi.yml\n" +
			"  pkbuild test --jobs 2 --junit out/boots.xml pi.yml\n" +
			"  pkbuild test --image out/pi.img pi.yml scenarios/first-boot.yml",
		Args: func(_ *cobra.Command, args []string) error {
			return cli.Exactly("RECIPE")(nil, args[:min(1, len(args))])
		},
		RunE: rootless(func(cmd *cobra.Command, args []string) error {
			if scenarios == "" {
				scenarios = filepath.Join(filepath.Dir(args[0]), "scenarios")
			}
			all, err := loadScenarios(scenarios, args[1:])
			if err != nil {
				return err
			}
			if err := o.makeDir(); err != nil {
				return err
			}
			o.json = build.show.JSON
			r, err := build.recipe.load(args[0], build.cache.own)
			if err == nil && o.image == "" {
				o.image = filepath.Join(o.dir, r.Name+".img")
				err = buildImage(cmd, &build, args[0], o.image)
			}
			if err != nil {
				return errors.Join(err, o.clean())
			}
			return runSuite(cmd, o, o.portable(cmd, scenario.Select(all, r.Name, short)))
		}),
	}
	build.addAll(cmd)
	build.recipe.addArch(cmd)
	f := cmd.Flags()
	f.StringVar(&o.image, "image", "", "`image` to test instead of building it")
	f.StringVar(&scenarios, "scenarios", "", "`directory` of the scenarios (default: scenarios beside the recipe)")
	f.BoolVar(&short, "short", false, "run only the scenarios of the shortest set")
	f.StringVar(&o.machine, "machine", "", "`machine` in place of the scenarios' own: container leaves out those that need a kernel of their own")
	f.IntVar(&o.jobs, "jobs", 1, "how many scenarios run at a time")
	f.StringVar(&o.junit, "junit", "", "`file` for the results as JUnit XML")
	f.StringVar(&o.page, "page", "", "`file` for the results as a page in Markdown")
	f.StringVar(&o.dir, "dir", "", "`directory` for the image and the files of failed scenarios (default: a new one below the temporary directory)")
	return cmd
}

// buildImage builds the image of a recipe.
func buildImage(cmd *cobra.Command, flags *buildFlags, recipe, image string) error {
	r, p, err := flags.recipe.compileDisk(cmd.Context(), recipe, flags.cache.own)
	if err != nil {
		return err
	}
	return flags.build(cmd, r, func(w builder.Workspace) error {
		return builder.Build(cmd.Context(), p, w, builder.Output{Path: image})
	})
}

// loadScenarios reads the named scenarios, or all of a directory.
func loadScenarios(dir string, files []string) ([]*scenario.Scenario, error) {
	if len(files) == 0 {
		return scenario.LoadDir(dir)
	}
	var all []*scenario.Scenario
	var errs []error
	for _, file := range files {
		s, err := scenario.Load(file)
		all, errs = append(all, s), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// suiteOptions are the options of running scenarios.
type suiteOptions struct {
	image, dir  string
	jobs        int
	machine     string // in place of the scenarios' own
	console     io.Writer
	junit, page string
	json        bool
	temporary   bool // remove the directory at the end
}

// portable returns the scenarios that the machine can run, and prints the others.
func (o *suiteOptions) portable(cmd *cobra.Command, all []*scenario.Scenario) []*scenario.Scenario {
	if o.machine != scenario.ContainerMachine {
		return all
	}
	return slices.DeleteFunc(all, func(s *scenario.Scenario) bool {
		why := s.NeedsMachine()
		if why != "" {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: left out, since it needs a kernel of its own: %s\n", s.Name, why)
		}
		return why != ""
	})
}

// makeDir makes the directory, a temporary one if it has no name.
func (o *suiteOptions) makeDir() (err error) {
	if o.dir != "" {
		return os.MkdirAll(o.dir, 0o777)
	}
	o.temporary = true
	o.dir, err = os.MkdirTemp("", "pkbuild-test-")
	return err
}

// clean removes a temporary directory.
func (o *suiteOptions) clean() error {
	if !o.temporary {
		return nil
	}
	return os.RemoveAll(o.dir)
}

// runSuite runs scenarios and writes their results.
func runSuite(cmd *cobra.Command, o suiteOptions, scenarios []*scenario.Scenario) error {
	if len(scenarios) == 0 {
		return errors.Join(errors.New("no scenario applies to this recipe"), o.clean())
	}
	stderr := cmd.ErrOrStderr()
	suite := qemu.Suite{
		Image: o.image, Dir: o.dir, Jobs: o.jobs, Machine: o.machine, Console: o.console,
		Progress: func(s *scenario.Scenario, step string) {
			fmt.Fprintf(stderr, "%s: %s\n", cmp.Or(s.Name, s.Title), step)
		},
		Done: func(r *scenario.Result) {
			fmt.Fprintf(stderr, "%s: %s after %s\n", cmp.Or(r.Name, r.Title), r.Verdict(), r.Time.Round(time.Second))
			if r.Failed() {
				fmt.Fprintln(stderr, r.Message())
			}
		},
	}
	results := suite.Run(cmd.Context(), scenarios)
	if err := cmd.Context().Err(); err != nil {
		return errors.Join(err, o.clean())
	}
	failed := slices.ContainsFunc(results, (*scenario.Result).Failed)
	err := o.write(cmd, results)
	if !failed {
		err = errors.Join(err, o.clean())
	}
	if err == nil && failed {
		err = cli.ErrReported
	}
	return err
}

// write writes the results in all forms that were asked for.
func (o suiteOptions) write(cmd *cobra.Command, results []*scenario.Result) error {
	suite := filepath.Base(o.image)
	for _, form := range []struct {
		file  string
		write func(io.Writer) error
	}{
		{o.junit, func(w io.Writer) error { return scenario.WriteJUnit(w, suite, results) }},
		{o.page, func(w io.Writer) error { return scenario.WritePage(w, suite, results) }},
	} {
		if form.file == "" {
			continue
		}
		f, err := os.Create(form.file)
		if err != nil {
			return err
		}
		if err := errors.Join(form.write(f), f.Close()); err != nil {
			return fmt.Errorf("write %s: %w", form.file, err)
		}
	}
	if o.json {
		return printJSON(cmd, results)
	}
	return scenario.WriteTable(cmd.OutOrStdout(), results)
}
