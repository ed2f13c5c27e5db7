// Command pkbuild compiles a recipe to a plan, builds the flashable image of the plan, and boots it in QEMU.
package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/cmd/internal/clidoc"
	"github.com/PlanktoScope/pkbuild/cmd/internal/pallets"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// version is set by the linker.
var version = "dev"

func main() {
	sandbox.Main()
	logrus.SetOutput(io.Discard) // libraries log to it, and return errors anyway
	cli.Main(root(), printProblems)
}

func root() *cobra.Command {
	return cli.Group("pkbuild", "Build and test images for instruments with a Raspberry Pi",
		initCommand(), imageCommand(), containerCommand(), mkext4Command(), planCommand(), lockCommand(), whyCommand(), cacheCommand(),
		bootCommand(), testCommand(), soakCommand(), firmwareCommand(), verifyCommand(), palletCommand(), schemaCommand(), docsCommand(), clidoc.Command("1"), cli.Version("pkbuild", version))
}

// printProblems prints each mistake in a recipe on its own line, beginning with the position, as editors expect it.
func printProblems(w io.Writer, called *cobra.Command, err error) bool {
	var problems recipes.Problems
	if !errors.As(err, &problems) {
		return false
	}
	for _, p := range problems {
		fmt.Fprintln(w, p)
	}
	noun := "mistakes"
	if len(problems) == 1 {
		noun = "mistake"
	}
	fmt.Fprintf(w, "pkbuild: %s: %d %s\n", called.Flags().Arg(0), len(problems), noun)
	return true
}

// palletCommand returns the commands that work on the directory of a pallet.
func palletCommand() *cobra.Command {
	cmd, _ := pallets.Command("pkbuild")
	return cmd
}
