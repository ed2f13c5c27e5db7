package main

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/services/dataset"
	"github.com/PlanktoScope/pkbuild/services/segmenter"
)

// settingsFlags adds the flags of the settings to a command.
func settingsFlags(cmd *cobra.Command) *segmenter.Settings {
	s := &segmenter.Settings{Method: segmenter.Standard, EcoTaxa: true}
	cmd.Flags().StringVar((*string)(&s.Method), "method", string(segmenter.Standard), "`NAME` of the method: standard is comparable with earlier results; adaptive is for dense samples, moving light and dirt")
	cmd.Flags().Float64Var(&s.MinESD, "min-esd", 0, "smallest diameter of objects in `µm` (default: acq_minimum_mesh of the metadata)")
	cmd.Flags().BoolVar(&s.SubtractMasks, "subtract-previous", false, "leave out what is dark in the previous picture, too")
	cmd.Flags().BoolVar(&s.Keep, "keep", false, "keep the pictures of all steps in the directory clean")
	cmd.Flags().StringVar(&s.ProcessID, "process-id", "", "`ID` of this segmentation in the table (default: process_id of the metadata)")
	addResources(cmd, s)
	return s
}

// addResources adds the flags for cores and memory.
func addResources(cmd *cobra.Command, s *segmenter.Settings) {
	cmd.Flags().IntVar(&s.Workers, "workers", 0, "`NUMBER` of pictures segmented at once (default: one for each core)")
	cmd.Flags().Var((*megabytes)(&s.Memory), "memory", "limit of memory in `MB`")
	s.Memory = segmenter.DefaultMemory
}

func runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run DIR",
		Short: "Segment the data sets in a directory",
		Long: "Segments all data sets, directories with a metadata.json, in DIR and below. An interrupted run continues where it\n" +
			"stopped when it is started again with the same arguments.",
		Args: cli.Exactly("DIR"),
	}
	s := settingsFlags(cmd)
	output := cmd.Flags().StringP("output", "o", "segmented", "`DIR`ectory for cut-outs, tables and archives")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		limitMemory(s.Memory)
		dirs, err := dataset.Find(args[0], true)
		if err != nil {
			return err
		}
		if len(dirs) == 0 {
			return fmt.Errorf("no data set in %s: want a directory with a %s", args[0], dataset.MetadataFile)
		}
		var results []segmenter.Result
		for _, dir := range dirs {
			path, err := resultPath(dir)
			if err != nil {
				return fmt.Errorf("data set %s: %w", dir, err)
			}
			result, err := segmenter.Segment(cmd.Context(), dir, *s, segmenter.Options{Output: *output, Path: path, Version: programVersion()})
			if err != nil {
				return err
			}
			results = append(results, result)
		}
		return cli.Print(cmd, results, func(w io.Writer) error {
			for _, r := range results {
				fmt.Fprintf(w, "%s: %d objects in %d pictures\n", r.DataSet, len(r.Objects), r.Pictures)
			}
			return nil
		})
	}
	return cmd
}

// limitMemory makes the garbage collector keep the program below a limit.
func limitMemory(limit int64) { debug.SetMemoryLimit(limit - limit/20) }

// resultPath returns the path of the results of a data set, from its metadata.
func resultPath(dir string) (string, error) {
	m, err := dataset.ReadMetadata(dir)
	if err != nil {
		return "", err
	}
	path, err := dataset.Path(m)
	return filepath.Clean(path), err
}
