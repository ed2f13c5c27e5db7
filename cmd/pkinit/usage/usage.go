// Package usage describes the commands of pkinit: for its own help, and for its man pages, which another program writes so
// that pkinit stays small.
package usage

import (
	"fmt"
	"strings"
)

// Command is a subcommand of pkinit.
type Command struct {
	Use   string // name and arguments, such as "step NAME"
	Short string // what it does
}

// Commands returns the subcommands of pkinit.
func Commands() []Command {
	return []Command{
		{"step NAME", "Run a step of the boot, as the systemd services do"},
		{"report [--json]", "Print the report of this boot"},
		{"version", "Print the version"},
	}
}

// Text returns the help text of pkinit: a line for each subcommand.
func Text() string {
	var text strings.Builder
	text.WriteString("usage:\n")
	for _, c := range Commands() {
		fmt.Fprintf(&text, "  pkinit %-16s %s\n", c.Use, c.Short)
	}
	return text.String()
}
