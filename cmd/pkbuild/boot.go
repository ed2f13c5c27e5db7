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
	"github.com/PlanktoScope/pkbuild/cmd/internal/progress"
	"github.com/PlanktoScope/pkbuild/qemu"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

func bootCommand() *cobra.Command {
	var o qemu.Options
	var asJSON, verbose bool
	var checks []string
	cmd := &cobra.Command{
		Use:   "boot IMAGE",
		Short: "Boot an image in QEMU and report its defects",
		Long: "Boot an image in QEMU and report its defects: pkinit's steps, the overlays, failed units, the services of the\n" +
			"stage, SSH. The image is not changed. The exit code is 1 if there is a defect.",
		Example: "  pkbuild boot out/planktoscope.img\n" +
			"  pkbuild boot --machine raspi3b --check wifi.sh out/planktoscope.img",
		Args: cli.Exactly("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if o.Checks, err = readChecks(checks); err != nil {
				return err
			}
			if verbose {
				o.Console = cmd.ErrOrStderr()
			}
			stop := showProgress(cmd.ErrOrStderr(), args[0], asJSON || verbose)
			r, err := qemu.Boot(cmd.Context(), args[0], o)
			stop()
			if err != nil {
				return err
			}
			wrong := qemu.Judge(r)
			if asJSON {
				err = printJSON(cmd, struct {
					*qemu.Result
					Wrong []string `json:"wrong"` // defects, a sentence each
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
	f.StringVar(&o.Machine, "machine", "virt", "QEMU's `machine`: "+strings.Join(qemu.MachineNames(), ", "))
	f.StringVar(&o.Board, "board", "", "the `model` whose firmware's choices are booted (default: the machine's)")
	f.StringArrayVar(&checks, "check", nil, "run a shell `script` in the booted system, which must exit with 0 (repeatable)")
	f.BoolVar(&o.Persist, "persist", false, "let the system write to the image")
	f.BoolVar(&o.Offline, "offline", false, "cut the system off from other machines")
	f.DurationVar(&o.Timeout, "timeout", 10*time.Minute, "limit for the whole boot; time without one of this host's processors does not count")
	f.StringVar(&o.Dir, "dir", "", "`directory` in which the files of the boot stay")
	f.BoolVar(&asJSON, "json", false, "print the result as JSON")
	f.BoolVarP(&verbose, "verbose", "v", false, "print the console while the system boots")
	_ = cmd.RegisterFlagCompletionFunc("machine", cobra.FixedCompletions(qemu.MachineNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// readChecks reads scripts; a check's name is that of its file.
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

// showProgress shows the time that a boot takes on a terminal, until stop is called.
func showProgress(w io.Writer, image string, silent bool) (stop func()) {
	if silent || !progress.IsTerminal(w) {
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

// printBoot prints a result as text.
func printBoot(w io.Writer, r *qemu.Result, wrong []string) error {
	p := &printer{w: w}
	p.line("machine %s%s, firmware of %s: kernel %s, initramfs %s", r.Machine, accelerated(r), r.Firmware.Board, r.Firmware.Kernel, strings.Join(r.Firmware.Initramfs, " "))
	if r.Foreign {
		p.line("the image was not built by pkbuild: stages and overlays were not checked")
	}
	if b := r.Report; b != nil {
		p.line("stage %d: %s", b.Choice.Stage, b.Choice.Reason)
		for _, s := range b.Steps {
			p.line("  %-8s %6.3f s  %s%s", s.State, s.Seconds, s.Name, stepNote(s))
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
		p.line("defect: %s", s)
	}
	if len(wrong) == 0 {
		p.line("no defects")
	}
	return p.err
}

func accelerated(r *qemu.Result) string {
	if r.Accelerated {
		return " on KVM"
	}
	return ""
}

func stepNote(s report.Step) string {
	switch {
	case s.Error != "":
		return ": " + s.Error
	case s.Note != "":
		return " (" + s.Note + ")"
	}
	return ""
}

// printer prints lines until the first error, which it keeps.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
