package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// jsonFlag is the flag with which a command prints JSON.
const jsonFlag = "json"

// AddJSON adds --json to a command or, if it has subcommands, to those of its descendants that have no subcommands. It
// leaves out a command that has such a flag already.
func AddJSON(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		AddJSON(c)
	}
	if !cmd.HasSubCommands() && cmd.Flag(jsonFlag) == nil {
		cmd.Flags().Bool(jsonFlag, false, "print JSON")
	}
}

// Print prints the result of a command: as JSON if it has the flag --json, else by calling text.
func Print(cmd *cobra.Command, result any, text func(w io.Writer) error) error {
	if f := cmd.Flag(jsonFlag); f != nil && f.Value.String() == "true" {
		return JSON(cmd.OutOrStdout(), result)
	}
	return text(cmd.OutOrStdout())
}

// Printf prints the result of a command: as JSON if it has the flag --json, else the formatted text.
func Printf(cmd *cobra.Command, result any, format string, args ...any) error {
	return Print(cmd, result, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, format, args...)
		return err
	})
}

// Silent prints the result of a command as JSON if it has the flag --json, else nothing.
func Silent(cmd *cobra.Command, result any) error {
	return Print(cmd, result, func(io.Writer) error { return nil })
}

// JSON prints a value as indented JSON.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
