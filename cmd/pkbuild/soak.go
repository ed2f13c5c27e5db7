package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/qemu"
	"github.com/PlanktoScope/pkbuild/qemu/scenario"
	"github.com/PlanktoScope/pkbuild/qemu/soak"
)

// soakFlags are the flags of pkbuild soak.
type soakFlags struct {
	soak.Options
	scenario, recording string
	json, verbose       bool
	temporary           bool // remove the directory at the end
}

func soakCommand() *cobra.Command {
	var flags soakFlags
	cmd := &cobra.Command{
		Use:   "soak [IMAGE]",
		Short: "Cut the power at many random moments of a scenario and check what each cut leaves on the card",
		Long: "Cut the power at many random moments of a scenario and check what each cut leaves on the card.\n\n" +
			"The scenario runs once in QEMU, which logs all writes to the card. Each cut is made offline from that log: the\n" +
			"writes up to the last flush are kept, and each later one is kept, lost or torn at random. Then e2fsck and fsck.vfat\n" +
			"must find no mistake, and pkinit must select a complete stage that was selected before or after the recorded boots.\n" +
			"With --sample some of the cards also boot. The exit code is 1 if a cut leaves something else; its card stays then.",
		Example: "  pkbuild soak --scenario soak.yml --cuts 1000 --seed 7 out/pi.img\n" +
			"  pkbuild soak --recording /var/tmp/soak/recording --cuts 1000 --seed 7 --only 413",
		Args: func(cmd *cobra.Command, args []string) error {
			if flags.recording != "" {
				return cli.Exactly()(cmd, args) // its cards are copies of the image
			}
			return cli.Exactly("IMAGE")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return flags.run(cmd, strings.Join(args, "")) },
	}
	f := cmd.Flags()
	f.StringVar(&flags.scenario, "scenario", "", "`file` with the scenario to record")
	f.StringVar(&flags.recording, "recording", "", "`directory` of an earlier recording to use in place of a new one")
	f.IntVar(&flags.Cuts, "cuts", 1000, "how many cuts to make")
	f.Uint64Var(&flags.Seed, "seed", 0, "seed of the moments and of what is lost (default: random)")
	f.IntVar(&flags.Only, "only", 0, "`number` of the only cut to make")
	f.IntVar(&flags.Sample, "sample", 0, "boot the card of every so many cuts; 0: of none")
	f.IntVar(&flags.Jobs, "jobs", 1, "how many cards are checked at a time")
	f.StringVar(&flags.Dir, "dir", "", "`directory` for the recording and the cards; fast on btrfs and XFS (default: a new one below the temporary directory)")
	f.BoolVar(&flags.json, "json", false, "print the outcomes as JSON")
	f.BoolVarP(&flags.verbose, "verbose", "v", false, "print the console while the system boots")
	cmd.MarkFlagsOneRequired("scenario", "recording")
	cmd.MarkFlagsMutuallyExclusive("scenario", "recording")
	return cmd
}

func (s *soakFlags) run(cmd *cobra.Command, image string) error {
	if s.Cuts < 1 {
		return fmt.Errorf("%w: --cuts is %d, want 1 or more", cli.ErrUsage, s.Cuts)
	}
	if s.Only < 0 || s.Only > s.Cuts {
		return fmt.Errorf("%w: --only is %d, want 1 to %d, the number of --cuts", cli.ErrUsage, s.Only, s.Cuts)
	}
	if !cmd.Flags().Changed("seed") {
		s.Seed = rand.Uint64N(1_000_000)
	}
	if err := s.makeDir(); err != nil {
		return err
	}
	err := s.soak(cmd, image)
	if s.temporary && !errors.Is(err, cli.ErrReported) { // with findings the recording is needed again
		err = errors.Join(err, os.RemoveAll(s.Dir))
	}
	return err
}

// soak records the scenario, makes the cuts and prints the outcomes.
func (s *soakFlags) soak(cmd *cobra.Command, image string) error {
	r, err := s.record(cmd, image)
	if err != nil {
		return err
	}
	start, stderr := time.Now(), cmd.ErrOrStderr()
	s.Boot = bootCut
	s.Done = func(o soak.Outcome) {
		for _, finding := range o.Findings {
			fmt.Fprintf(stderr, "cut %d, step %s, boot %d after %d entries: %s\n  card: %s\n", o.Number, o.Step, o.Boot, o.Entries, finding, o.Dir)
		}
	}
	outcomes, err := r.Run(cmd.Context(), s.Options)
	if err != nil {
		return err
	}
	report := soak.Summarize(s.Seed, outcomes, time.Since(start))
	if s.json {
		err = printJSON(cmd, struct {
			soak.Report
			Cuts []soak.Outcome `json:"cuts"`
		}{report, outcomes})
	} else {
		err = report.Write(cmd.OutOrStdout())
	}
	if err == nil && report.Findings > 0 {
		fmt.Fprintf(stderr, "repeat: pkbuild soak --recording %s --cuts %d --seed %d --only NUMBER\n", r.Dir, s.Cuts, s.Seed)
		err = cli.ErrReported
	}
	return err
}

func (s *soakFlags) makeDir() (err error) {
	if s.Dir == "" {
		s.temporary = true
		s.Dir, err = os.MkdirTemp("", "pkbuild-soak-")
		return err
	}
	s.Dir, err = filepath.Abs(s.Dir)
	return errors.Join(err, os.MkdirAll(s.Dir, 0o777))
}

// record opens the recording, or makes one.
func (s *soakFlags) record(cmd *cobra.Command, image string) (*soak.Recording, error) {
	if s.recording != "" {
		r, err := soak.Open(s.recording)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("--recording: %s has no recording", s.recording)
		}
		return r, err
	}
	recorded, err := scenario.Load(s.scenario)
	if err != nil {
		return nil, err
	}
	var console = cmd.ErrOrStderr()
	if !s.verbose {
		console = nil
	}
	return soak.Record(cmd.Context(), recorded, image, filepath.Join(s.Dir, "recording"), console)
}

// afterCut is what must hold for a card that a power cut left: pkinit has mounted everything, and a shell runs.
const afterCut = `
title: boot after a power cut
steps:
  - boot:
  - expect:
      console: {lacks: ["starts degraded"]}
      files:
        /run/pkinit/boot.json: {matches: ['"degraded": false']}
  - cut:
`

// bootCut boots a card in QEMU.
func bootCut(ctx context.Context, card, dir string) error {
	s, err := scenario.Parse("after-cut.yml", []byte(afterCut))
	if err != nil {
		return err
	}
	result := qemu.Suite{Image: card, Dir: dir}.Run(ctx, []*scenario.Scenario{s})[0]
	if result == nil || !result.Failed() {
		return ctx.Err()
	}
	return fmt.Errorf("%s\n%s", result.Message(), result.Details)
}
