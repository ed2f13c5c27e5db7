package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/services/plankton"
)

func sampleCommand() *cobra.Command {
	var names []string
	for _, s := range plankton.Samples() {
		names = append(names, s.Name)
	}
	cmd := &cobra.Command{
		Use:   "sample NAME DIR",
		Short: "Draw a synthetic data set with ground truth",
		Long: "Draws a synthetic data set in the new directory DIR, with the ground truth of each picture in DIR/truth. The\n" +
			"pictures are simulated, and so says their metadata. NAME is one of:\n" + strings.Join(names, ", ") + ".",
		Args: cli.Exactly("NAME", "DIR"),
	}
	full := cmd.Flags().Bool("full", false, "draw pictures of 4056×3040 instead of 1014×760 pixels")
	count := cmd.Flags().Int("pictures", 0, "draw `N` pictures (default: as many as the sample has)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, s := range plankton.Samples() {
			if s.Name != args[0] {
				continue
			}
			if *full {
				s = s.Full()
			}
			if *count > 0 {
				s.Pictures = *count
			}
			if err := s.Write(cmd.Context(), filepath.Clean(args[1])); err != nil {
				return err
			}
			return cli.Printf(cmd, s, "%s: %d pictures\n", args[1], s.Pictures)
		}
		return fmt.Errorf("sample %q: want one of %s", args[0], strings.Join(names, ", "))
	}
	return cmd
}
