package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/services/dataset"
	"github.com/PlanktoScope/pkbuild/services/segmenter"
	"github.com/PlanktoScope/pkbuild/services/segmenter/report"
)

// settingsFlags adds the flags of the settings to a command.
func settingsFlags(cmd *cobra.Command) *segmenter.Settings {
	s := &segmenter.Settings{Method: segmenter.Standard, EcoTaxa: true}
	cmd.Flags().StringVar((*string)(&s.Method), "method", string(segmenter.Standard), "`METHOD`: standard is comparable with earlier results; adaptive is for dense samples and moving light")
	cmd.Flags().Float64Var(&s.MinESD, "min-esd", 0, "smallest diameter of objects, `UM` in µm (default: acq_minimum_mesh of the metadata, or 20)")
	cmd.Flags().BoolVar(&s.SubtractMasks, "subtract-previous", false, "leave out what is dark in the previous picture, too")
	cmd.Flags().BoolVar(&s.Keep, "keep", false, "keep the pictures of all steps in the directory clean")
	cmd.Flags().StringVar(&s.ProcessID, "process-id", "", "`ID` of this segmentation in the table (default: process_id of the metadata)")
	addResources(cmd, s)
	return s
}

// addResources adds the flags for cores and memory.
func addResources(cmd *cobra.Command, s *segmenter.Settings) {
	cmd.Flags().IntVar(&s.Workers, "workers", 0, "segment `N` pictures at once, if the memory suffices (default: one for each core)")
	s.Memory = segmenter.DefaultMemory
	cmd.Flags().Var((*megabytes)(&s.Memory), "memory", "limit of memory in `MB`")
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
	output := cmd.Flags().StringP("output", "o", "segmented", "`DIR` for cut-outs, tables, archives and the report")
	quiet := cmd.Flags().BoolP("quiet", "q", false, "print only what was left out")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		limitMemory(s.Memory)
		v := newView(cmd.ErrOrStderr(), *quiet)
		results, err := segmentAll(cmd.Context(), args[0], *output, *s, v.event)
		v.close()
		if err != nil {
			return err
		}
		to := filepath.Join(*output, "report.html")
		if err := atomicfile.Replace(cmd.Context(), to, func(f *os.File) error { return report.Write(f, *output, results) }); err != nil {
			return err
		}
		return cli.Print(cmd, summaries(results), func(w io.Writer) error {
			for _, r := range summaries(results) {
				fmt.Fprintf(w, "%s: %d objects in %d pictures, %d pictures left out: %s\n", r.DataSet, r.Objects, r.Pictures, len(r.Skipped), r.Archive)
			}
			fmt.Fprintf(w, "Report: %s\n", to)
			return nil
		})
	}
	return cmd
}

// summary is the printed result for a data set.
type summary struct {
	DataSet  string              `json:"data_set"`
	Pictures int                 `json:"pictures"`
	Objects  int                 `json:"objects"`
	Skipped  []segmenter.Skipped `json:"skipped"`
	Table    string              `json:"table"`
	Archive  string              `json:"archive"`
}

func summaries(results []segmenter.Result) []summary {
	var all []summary
	for _, r := range results {
		all = append(all, summary{r.DataSet, r.Pictures, len(r.Objects), r.Skipped, r.Table, r.Archive})
	}
	return all
}

// segmentAll segments the data sets in a directory and below.
func segmentAll(ctx context.Context, dir, output string, s segmenter.Settings, events func(segmenter.Event)) ([]segmenter.Result, error) {
	dirs, err := dataset.Find(dir, true)
	if err != nil {
		return nil, err
	}
	if len(dirs) == 0 {
		return nil, fmt.Errorf("no data set in %s: want a directory with a %s", dir, dataset.MetadataFile)
	}
	var results []segmenter.Result
	seen := map[string]string{}
	for _, dir := range dirs {
		path, err := resultPath(dir)
		if err != nil {
			return nil, fmt.Errorf("data set %s: %w", dir, err)
		}
		if other, used := seen[path]; used {
			return nil, fmt.Errorf("data sets %s and %s have the same object_date, sample_id and acq_id: segment one of them with another --output", other, dir)
		}
		seen[path] = dir
		result, err := segmenter.Segment(ctx, dir, s, segmenter.Options{Output: output, Path: path, Version: programVersion(), Events: events})
		if err != nil {
			return nil, err
		}
		results = append(results, result)
	}
	return results, nil
}

// limitMemory makes the garbage collector keep the program below a limit. The limit of the Go runtime leaves out the program
// itself and is exceeded a little.
func limitMemory(limit int64) { debug.SetMemoryLimit(limit - limit/8) }

// resultPath returns the path of the results of a data set, from its metadata.
func resultPath(dir string) (string, error) {
	m, err := dataset.ReadMetadata(dir)
	if err != nil {
		return "", err
	}
	path, err := dataset.Path(m)
	return filepath.Clean(path), err
}
