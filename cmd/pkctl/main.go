// Command pkctl is the device's tool for pallets and stages: what it starts with, why, and what comes next. It parses
// flags and prints; what the commands mean is in package stages/device.
package main

import (
	"io"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/cmd/internal/clidoc"
	"github.com/PlanktoScope/pkbuild/stages/device"
)

// version is set by the linker; a build without it says "dev".
var version = "dev"

func main() {
	logrus.SetOutput(io.Discard) // libraries log to it, and return what matters
	cli.Main(root())
}

// updateAvailable is the exit code of `pkctl pallet upgrade --check` where there is something new.
const updateAvailable = cli.Exit(3)

func root() *cobra.Command {
	cmd := cli.Group("pkctl", "Manage the stages of an instrument's operating system",
		statusCommand(), stageCommand(), palletCommand(), overrideCommand(), bootCommand(), resetCommand(), clidoc.Command("8"), cli.Version("pkctl", version))
	cmd.Long = cmd.Short + ".\n\nExit codes: 0 done, 1 failed, 2 wrong command line, 3 `pallet upgrade --check` found something new."
	cli.AddJSON(cmd)
	explainClock(cmd)
	return cmd
}

// explainClock has all commands name the clock in errors about the validity of certificates.
func explainClock(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			return device.Device{}.ExplainClock(run(cmd, args), time.Now())
		}
	}
	for _, c := range cmd.Commands() {
		explainClock(c)
	}
}
