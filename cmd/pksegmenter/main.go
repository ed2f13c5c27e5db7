// Command pksegmenter finds plankton in the pictures of a PlanktoScope and writes the table and archive for EcoTaxa, as a
// service that is controlled by MQTT or for a directory.
package main

import (
	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/cmd/internal/clidoc"
)

// version is set by the linker.
var version = "dev"

// programVersion identifies this program in results.
func programVersion() string { return "pksegmenter " + version }

func main() { cli.Main(root()) }

func root() *cobra.Command {
	cmd := cli.Group("pksegmenter", "Find, cut out and measure plankton in pictures of a PlanktoScope",
		runCommand(), serveCommand(), sampleCommand(), clidoc.Command("1"), cli.Version("pksegmenter", version))
	cli.AddJSON(cmd)
	return cmd
}
