package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/qemu"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

func bootCommand() *cobra.Command {
	var o qemu.Options
	var asJSON, verbose bool
	var checks []string
	cmd := &cobra.Command{
		Use:   "boot IMAGE",
		Short: "Boot an image in QEMU and report what is not as it should be",
		Long: "Boot an image in QEMU and report what is not as it should be: pkinit's steps, the overlays, failed units,\n" +
			"the services of the stage, SSH. The image is not changed. Exits with 1 where anything is wrong.",
		Args: cli.Exactly("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if o.Checks, err = readChecks(checks); err != nil {
				return err
			}
			if verbose {
				o.Console = cmd.ErrOrStderr()
			}
			stop := waiting(cmd.ErrOrStderr(), args[0], asJSON || verbose)
			r, err := qemu.Boot(cmd.Context(), args[0], o)
			stop()
			if err != nil {
				return err
			}
			wrong := qemu.Judge(r)
			if asJSON {
				err = printJSON(cmd, struct {
					*qemu.Result
					Wrong []string `json:"wrong"` // a sentence for each thing that is not as it should be
				}{r, append([]string{}, wrong...)})
			} else {
				err = printBoot(cmd.OutOrStdout(), r, wrong)
			}
			if err == nil && len(wrong) > 0 {
				err = cli.ErrReported
			}
			return err
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"img"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Machine, "machine", "virt", "QEMU's `machine`: "+strings.Join(machines(), ", "))
	f.StringVar(&o.Board, "board", "", "the `model` whose firmware's choice of kernel is booted (default: the machine's)")
	f.StringArrayVar(&checks, "check", nil, "run a shell `script` in the booted system; it must end with exit code 0 (repeatable)")
	f.BoolVar(&o.Persist, "persist", false, "let the system write to the image")
	f.BoolVar(&o.Offline, "offline", false, "let the system reach nobody over the network")
	f.DurationVar(&o.Timeout, "timeout", 10*time.Minute, "how long the whole boot may take")
	f.StringVar(&o.Dir, "dir", "", "`directory` to keep the files of the run in")
	f.BoolVar(&asJSON, "json", false, "print all that was found as JSON")
	f.BoolVarP(&verbose, "verbose", "v", false, "show the console as it comes")
	_ = cmd.RegisterFlagCompletionFunc("machine", cobra.FixedCompletions(machines(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func machines() []string {
	var names []string
	for _, m := range qemu.Machines() {
		names = append(names, m.Name)
	}
	return names
}

// readChecks reads scripts; a check is named by its file.
func readChecks(files []string) ([]qemu.Check, error) {
	var out []qemu.Check
	for _, name := range files {
		script, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		base := filepath.Base(name)
		out = append(out, qemu.Check{Name: strings.TrimSuffix(base, filepath.Ext(base)), Script: string(script)})
	}
	return out, nil
}

// waiting shows on a terminal that the boot goes on, and returns what ends it.
func waiting(w io.Writer, image string, silent bool) (stop func()) {
	if silent || !isTerminal(w) {
		return func() {}
	}
	start, done, ended := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			fmt.Fprintf(w, "\rbooting %s: %v ", image, time.Since(start).Round(time.Second))
			select {
			case <-done:
				fmt.Fprint(w, "\r\x1b[K")
				return
			case <-time.After(time.Second):
			}
		}
	}()
	return func() { close(done); <-ended }
}

// printBoot prints a result for people.
func printBoot(w io.Writer, r *qemu.Result, wrong []string) error {
	p := &printer{w: w}
	p.line("machine %s, firmware of %s: kernel %s, initramfs %s", r.Machine, r.Firmware.Board, r.Firmware.Kernel, strings.Join(r.Firmware.Initramfs, " "))
	if b := r.Report; b != nil {
		p.line("stage %d: %s", b.Choice.Stage, b.Choice.Reason)
		for _, s := range b.Steps {
			p.line("  %-8s %6.3f s  %s%s", s.State, s.Seconds, s.Name, remark(s))
		}
	}
	for _, o := range r.Overlays {
		p.line("overlay %s: %s", o.Target, strings.Join(append([]string{o.Upperdir}, o.Lowerdirs...), " over "))
	}
	for _, u := range r.Units {
		p.line("service %s: %s (%s)", u.ID, u.Active, u.Sub)
	}
	p.line("system %s, %d units failed, %d reloads, %s", r.System, len(r.Failed), r.Reloads, r.SSH)
	p.line("systemd started %.1f s after the kernel, the system was up after %.1f s", r.Seconds.Handoff, r.Seconds.Settled)
	p.line("console log: %s", r.Console)
	for _, s := range wrong {
		p.line("wrong: %s", s)
	}
	if len(wrong) == 0 {
		p.line("all is as it should be")
	}
	return p.err
}

func remark(s report.Step) string {
	switch {
	case s.Error != "":
		return ": " + s.Error
	case s.Note != "":
		return " (" + s.Note + ")"
	}
	return ""
}

// printer keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
