// Command man writes the man pages of pkinit and its reference in Markdown. pkinit, which has to be small, does not
// contain them.
package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/cmd/internal/clidoc"
	"github.com/PlanktoScope/pkbuild/cmd/pkinit/usage"
	"github.com/PlanktoScope/pkbuild/initsteps"
)

func main() { cli.Main(root()) }

// root returns pkinit's commands for documentation: they do nothing.
func root() *cobra.Command {
	cmd := &cobra.Command{Use: "pkinit", Short: "Assemble the root file system of a device at boot", Long: long()}
	cmd.AddCommand(clidoc.Command("8"))
	for _, c := range usage.Commands() {
		sub := &cobra.Command{Use: c.Use, Short: c.Short, DisableFlagsInUseLine: true, Run: func(*cobra.Command, []string) {}}
		if sub.Name() == "step" {
			sub.Long = c.Short + ", and first those before it in its transaction. " + steps()
		}
		cmd.AddCommand(sub)
	}
	return cmd
}

func long() string {
	return "pkinit runs as /init of the initramfs: it mounts the root file system, selects the stage of the boot, mounts the overlays " +
		"on /usr and /etc, and starts systemd. Its report of the boot is /run/pkinit/boot.json. The exit code is 0 for success, 1 for " +
		"an error, and 2 for wrong usage."
}

// steps lists the names of the steps in the order of a boot.
func steps() string {
	var names []string
	for _, transaction := range initsteps.Transactions() {
		for _, s := range transaction {
			names = append(names, s.String())
		}
	}
	return fmt.Sprintf("The steps are %s.", strings.Join(names, ", "))
}
