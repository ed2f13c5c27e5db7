package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/qemu"
	"github.com/PlanktoScope/pkbuild/qemu/scenario"
)

// bootFlags are the flags of pkbuild boot.
type bootFlags struct {
	o                qemu.Options
	checks, forwards []string
	expect, scenario string
	shell, ssh       bool
	json, verbose    bool
	timing           bool
	against          string
}

func bootCommand() *cobra.Command {
	var flags bootFlags
	cmd := &cobra.Command{
		Use:   "boot IMAGE",
		Short: "Boot an image in QEMU and report its defects",
		Long: "Boot an image in QEMU and report its defects: pkinit's steps, the overlays, failed units, the services of the\n" +
			"stage, SSH. The image is not changed. The exit code is 1 if there is a defect.\n\n" +
			"With --expect or --scenario, the documents of docs/scenarios.md say what must hold instead. With --shell, --ssh or\n" +
			"--forward, the system runs until the shell exits, it is shut down, or Ctrl-C is pressed.",
		Example: "  pkbuild boot out/planktoscope.img\n" +
			"  pkbuild boot --machine raspi3b --check wifi.sh out/planktoscope.img\n" +
			"  pkbuild boot --expect expectations.yml out/planktoscope.img\n" +
			"  pkbuild boot --shell --forward 8080:80 out/planktoscope.img",
		Args: cli.Exactly("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if flags.o.Checks, err = readChecks(flags.checks); err != nil {
				return err
			}
			for _, text := range flags.forwards {
				f, err := qemu.ParseForward(text)
				if err != nil {
					return fmt.Errorf("%w: --forward: %w", cli.ErrUsage, err)
				}
				flags.o.Forwards = append(flags.o.Forwards, f)
			}
			if flags.verbose {
				flags.o.Console = cmd.ErrOrStderr()
			}
			if flags.against != "" && !flags.timing {
				return fmt.Errorf("%w: --against needs --timing", cli.ErrUsage)
			}
			switch {
			case flags.expect != "" || flags.scenario != "":
				return flags.runScenario(cmd, args[0])
			case flags.shell || flags.ssh || len(flags.forwards) > 0:
				return flags.session(cmd, args[0])
			}
			return flags.report(cmd, args[0])
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"img"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	flags.add(cmd)
	return cmd
}

func (b *bootFlags) add(cmd *cobra.Command) {
	f, o := cmd.Flags(), &b.o
	f.StringVar(&o.Machine, "machine", "virt", "QEMU's `machine`: "+strings.Join(qemu.MachineNames(), ", ")+"; with --expect and --scenario also container")
	f.StringVar(&o.Board, "board", "", "the `model` whose firmware's choices are booted (default: the machine's)")
	f.StringArrayVar(&b.checks, "check", nil, "run a shell `script` in the booted system, which must exit with 0 (repeatable)")
	f.StringVar(&b.expect, "expect", "", "`file` with what must hold in the booted system")
	f.StringVar(&b.scenario, "scenario", "", "`file` with boots, events and what must hold after each")
	f.BoolVar(&b.shell, "shell", false, "give this terminal to a root shell of the booted system")
	f.BoolVar(&b.ssh, "ssh", false, "print the command that connects to the booted system over SSH, and let it run")
	f.StringArrayVar(&b.forwards, "forward", nil, "let `HOST:GUEST`, two TCP ports, connect this machine to the booted system (repeatable)")
	f.BoolVar(&o.Persist, "persist", false, "let the system write to the image")
	f.BoolVar(&o.Offline, "offline", false, "cut the system off from other machines")
	f.DurationVar(&o.Timeout, "timeout", 10*time.Minute, "limit for the whole boot; time without one of this host's processors does not count")
	f.StringVar(&o.Dir, "dir", "", "`directory` in which the files of the boot stay")
	f.BoolVar(&b.timing, "timing", false, "print the times of the boot's phases as a table")
	f.StringVar(&b.against, "against", "", "with --timing, compare with the boot in `file`, the output of --json")
	f.BoolVar(&b.json, "json", false, "print the result as JSON")
	f.BoolVarP(&b.verbose, "verbose", "v", false, "print the console while the system boots")
	_ = cmd.RegisterFlagCompletionFunc("machine", cobra.FixedCompletions(qemu.MachineNames(), cobra.ShellCompDirectiveNoFileComp))
	cmd.MarkFlagsMutuallyExclusive("expect", "scenario", "shell", "ssh")
	cmd.MarkFlagsMutuallyExclusive("expect", "scenario", "forward")
	cmd.MarkFlagsMutuallyExclusive("expect", "scenario", "check")
	cmd.MarkFlagsMutuallyExclusive("expect", "scenario", "persist")
	cmd.MarkFlagsMutuallyExclusive("json", "timing")
}

// report boots an image and prints its defects.
func (b *bootFlags) report(cmd *cobra.Command, image string) error {
	var before *qemu.Result
	if b.against != "" {
		var err error
		if before, err = qemu.ReadResult(b.against); err != nil {
			return fmt.Errorf("--against: %w", err)
		}
	}
	stop := showProgress(cmd.ErrOrStderr(), image, b.json || b.verbose)
	r, err := qemu.Boot(cmd.Context(), image, b.o)
	stop()
	if err != nil {
		if r != nil && !b.json {
			(&printer{w: cmd.OutOrStdout()}).state(r)
		}
		return err
	}
	wrong := qemu.Judge(r)
	if b.json {
		err = printJSON(cmd, struct {
			*qemu.Result
			Wrong []string `json:"wrong"` // defects, a sentence each
		}{r, append([]string{}, wrong...)})
	} else {
		err = printBoot(cmd.OutOrStdout(), r, wrong)
		if b.timing && err == nil {
			err = qemu.WriteTimings(cmd.OutOrStdout(), qemu.Timings(r, before))
		}
	}
	if err == nil && len(wrong) > 0 {
		err = cli.ErrReported
	}
	return err
}

// runScenario runs the document of --expect or --scenario.
func (b *bootFlags) runScenario(cmd *cobra.Command, image string) error {
	s, err := b.loadScenario()
	if err != nil {
		return err
	}
	o := suiteOptions{image: image, dir: b.o.Dir, console: b.o.Console, json: b.json}
	if b.o.Machine == scenario.ContainerMachine {
		o.machine = b.o.Machine
	}
	if err := o.makeDir(); err != nil {
		return err
	}
	return runSuite(cmd, o, []*scenario.Scenario{s})
}

func (b *bootFlags) loadScenario() (*scenario.Scenario, error) {
	if b.scenario != "" {
		return scenario.Load(b.scenario)
	}
	src, err := os.ReadFile(b.expect)
	if err != nil {
		return nil, err
	}
	s, err := scenario.ParseExpectations(b.expect, src)
	if err != nil {
		return nil, err
	}
	s.Machine, s.Steps[0].Boot.Offline, s.Steps[0].Boot.Timeout = b.o.Machine, b.o.Offline, scenario.Duration(b.o.Timeout)
	return s, nil
}

// session leaves the booted system to the user.
func (b *bootFlags) session(cmd *cobra.Command, image string) error {
	var terminal *qemu.Terminal
	in, stderr := int(os.Stdin.Fd()), cmd.ErrOrStderr()
	if b.shell {
		columns, rows, err := term.GetSize(in)
		if err != nil {
			return fmt.Errorf("%w: --shell needs a terminal", cli.ErrUsage)
		}
		terminal = &qemu.Terminal{In: os.Stdin, Out: os.Stdout, Rows: rows, Columns: columns}
	}
	stop := showProgress(stderr, image, b.verbose)
	var saved *term.State
	err := qemu.Session(cmd.Context(), image, b.o, terminal, func(r *qemu.Result) {
		stop()
		stop = func() {}
		fmt.Fprintf(stderr, "SSH: ssh -p %d USER@127.0.0.1\n", r.SSHPort)
		for _, f := range b.o.Forwards {
			fmt.Fprintf(stderr, "port %d of the system: 127.0.0.1:%d\n", f.Guest, f.Host)
		}
		if !b.shell {
			fmt.Fprintln(stderr, "Ctrl-C shuts the system down.")
			return
		}
		fmt.Fprintln(stderr, "exit shuts the system down.")
		saved, _ = term.MakeRaw(in)
	})
	stop()
	if saved != nil {
		_ = term.Restore(in, saved)
	}
	if errors.Is(err, context.Canceled) {
		return cmd.Context().Err()
	}
	return err
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
	if silent || !cli.IsTerminal(w) {
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
