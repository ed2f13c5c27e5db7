// Command pkctl is the device's tool for pallets and stages: what it starts with, why, and what comes next.
package main

import (
	"io"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
)

// version is set by the linker; a build without it says "dev".
var version = "dev"

func main() {
	logrus.SetOutput(io.Discard) // libraries log to it, and return what matters
	cli.Main(root())
}

func root() *cobra.Command {
	return cli.Group("pkctl", "Manage the stages of an instrument's operating system",
		statusCommand(), stageCommand(), palletCommand(), overrideCommand(), resetCommand(), manCommand(), cli.Version("pkctl", version))
}
