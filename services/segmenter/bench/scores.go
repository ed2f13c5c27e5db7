package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/PlanktoScope/pkbuild/services/dataset"
	"github.com/PlanktoScope/pkbuild/services/plankton"
	"github.com/PlanktoScope/pkbuild/services/segmenter"
)

// objects are the runs of the objects by picture.
type objects map[string][][]plankton.Run

// minESD is the size in µm from which on objects count, acq_minimum_mesh of the samples.
const minESD = 20

// compareScores prints recall, precision and overlap on all samples.
func compareScores(ctx context.Context, o options, dir string) error {
	var dirs []string
	for _, s := range plankton.Samples() {
		d := filepath.Join(dir, s.Name)
		if err := s.Write(ctx, d); err != nil {
			return err
		}
		dirs = append(dirs, d)
	}
	reference, err := runReference(ctx, o, dirs)
	if err != nil {
		return err
	}
	fmt.Printf("Objects of at least %d µm, match at IoU ≥ 0.5\n\n| sample | objects | program | recall | precision | mean IoU | count ratio |\n|---|---|---|---|---|---|---|\n", minESD)
	total := map[string]plankton.Score{}
	for _, d := range dirs {
		found := map[string]objects{"reference": reference[filepath.Base(d)]}
		for _, method := range []segmenter.Method{segmenter.Standard, segmenter.Adaptive} {
			if found[string(method)], err = segment(ctx, d, filepath.Join(dir, "results"), method); err != nil {
				return err
			}
		}
		for _, program := range []string{"reference", "standard", "adaptive"} {
			s, err := score(d, found[program])
			if err != nil {
				return err
			}
			printScore(filepath.Base(d), program, s)
			t := total[program]
			t.Objects, t.Found, t.Correct, t.Wrong, t.Overlap = t.Objects+s.Objects, t.Found+s.Found, t.Correct+s.Correct, t.Wrong+s.Wrong, t.Overlap+s.Overlap
			total[program] = t
		}
	}
	for _, program := range []string{"reference", "standard", "adaptive"} {
		printScore("all", program, total[program])
	}
	return nil
}

func printScore(sample, program string, s plankton.Score) {
	fmt.Printf("| %s | %d | %s | %.3f | %.3f | %.2f | %.2f |\n", sample, s.Objects, program, s.Recall(), s.Precision(), s.MeanIoU(), s.CountRatio())
}

// runReference returns the objects that the reference finds, by data set.
func runReference(ctx context.Context, o options, dirs []string) (map[string]objects, error) {
	cmd := exec.CommandContext(ctx, o.python, append([]string{o.reference}, dirs...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.reference, err)
	}
	var result struct {
		DataSets map[string][]struct {
			Picture string
			Objects []struct{ Runs []plankton.Run }
		}
	}
	if err := json.Unmarshal(out, &result); err != nil {
		return nil, err
	}
	all := map[string]objects{}
	for name, pictures := range result.DataSets {
		all[name] = objects{}
		for _, p := range pictures {
			for _, found := range p.Objects {
				all[name][p.Picture] = append(all[name][p.Picture], found.Runs)
			}
		}
	}
	return all, nil
}

// segment returns the objects that the segmenter finds.
func segment(ctx context.Context, dir, output string, method segmenter.Method) (objects, error) {
	found := objects{}
	_, err := segmenter.Segment(ctx, dir, segmenter.Settings{Method: method}, segmenter.Options{
		Output: output, Path: filepath.Base(dir), Events: func(e segmenter.Event) {
			if e.Kind == segmenter.ObjectFound {
				var runs []plankton.Run
				for _, r := range e.Object.Runs() {
					runs = append(runs, plankton.Run{Y: int(r.Y), X0: int(r.X0), X1: int(r.X1)})
				}
				found[e.Picture] = append(found[e.Picture], runs)
			}
		},
	})
	return found, err
}

// score compares objects with the ground truth of a data set. Pictures that cannot be read do not count.
func score(dir string, found objects) (s plankton.Score, err error) {
	names, err := dataset.Pictures(dir)
	if err != nil {
		return s, err
	}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return s, err
		}
		if !strings.HasSuffix(string(data), "\xff\xd9") {
			continue
		}
		t, err := plankton.ReadTruth(dir, name)
		if err != nil {
			return s, err
		}
		s.Add(t, found[name], math.Pi*math.Pow(minESD/2/t.PixelSize, 2))
	}
	return s, nil
}
