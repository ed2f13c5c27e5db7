package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/stages/apply"
	"github.com/PlanktoScope/pkbuild/stages/device"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/report"
	"github.com/PlanktoScope/pkbuild/stages/transfer"
)

// flags are the flags that say where a device keeps its stages and its state.
type flags struct {
	dev     device.Device
	noFetch bool // a stage may be next without its images
}

func (f *flags) addStore(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&f.dev.Store, "store", defaultStore(), "`directory` of the stages")
}

func (f *flags) addBoot(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&f.dev.Boot, "boot-report", report.Path, "`file` with pkinit's report of this boot")
}

func (f *flags) addState(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&f.dev.State, "state", overlays.StateDir,
		"`directory` of the ledger of overrides and of what is queued for the next boot")
}

func (f *flags) addApplied(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.dev.Applied, "apply-report", apply.ReportPath, "`file` with the report of applying the stage of this boot")
}

// addFetch adds the flag of commands that make a stage the next one.
func (f *flags) addFetch(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.noFetch, "no-fetch", false, "make the stage next even if container images that it needs are missing")
}

// device returns the device that the flags name. Its warnings and progress go to the command's stderr.
func (f *flags) device(cmd *cobra.Command) device.Device {
	d := f.dev
	shown := progress{w: cmd.ErrOrStderr()}
	d.Docker, d.Describe, d.Space = docker.Client{}, device.Describe, transfer.Statfs
	d.Warn = func(err error) {
		shown.line("warning: " + strings.Join(strings.Split(err.Error(), "\n"), "; "))
	}
	d.OnFetch, d.OnTransfer = shown.fetch, shown.transfer
	return d
}

// completeStages completes the numbers and names of stages on the command line.
func (f *flags) completeStages(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return f.dev.Names(), cobra.ShellCompDirectiveNoFileComp
}

// stageResult is the result of a command that did something with a stage.
type stageResult struct {
	Stage int    `json:"stage"`
	Name  string `json:"name,omitempty"`
}

// dash stands for nothing in a table.
func dash(words ...string) string {
	if text := strings.Join(words, ","); text != "" {
		return text
	}
	return "-"
}

// lines writes lines.
func lines(w io.Writer, all ...string) error {
	var errs []error
	for _, line := range all {
		_, err := fmt.Fprintln(w, line)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
