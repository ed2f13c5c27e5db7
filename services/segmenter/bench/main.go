// Command bench compares pksegmenter with reference/reference.py, which does the same with OpenCV and scikit-image, on the
// same synthetic pictures: time, memory, and the objects found against the ground truth.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/services/plankton"
)

// options of the benchmark.
type options struct {
	pksegmenter, python, reference string
	pictures                       int
}

func main() {
	var o options
	flag.StringVar(&o.pksegmenter, "pksegmenter", "out/bin/pksegmenter", "the program")
	flag.StringVar(&o.python, "python", "/usr/bin/python3", "Python with OpenCV and scikit-image")
	flag.StringVar(&o.reference, "reference", "services/segmenter/reference/reference.py", "the reference")
	flag.IntVar(&o.pictures, "pictures", 10, "number of pictures of 4056×3040 pixels; 0 leaves the comparison of time and memory out")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "bench-segmenter-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.pictures > 0 {
		if err := compareResources(ctx, o, dir); err != nil {
			return err
		}
	}
	return compareScores(ctx, o, dir)
}

// compareResources prints time and memory for pictures of the camera's full size.
func compareResources(ctx context.Context, o options, dir string) error {
	s := plankton.Samples()[1].Full()
	s.Pictures = o.pictures
	data := filepath.Join(dir, "full")
	if err := s.Write(ctx, data); err != nil {
		return err
	}
	jpegs := filepath.Join(dir, "jpegs")
	if err := os.Mkdir(jpegs, 0o755); err != nil {
		return err
	}
	fmt.Printf("%d pictures of %d×%d pixels, cut-outs and features, without pictures of the steps\n\n", s.Pictures, s.Params.Width, s.Params.Height)
	fmt.Printf("| program | cores | wall s | CPU s | peak memory MB |\n|---|---|---|---|---|\n")
	measured := map[string]usage{}
	for _, m := range []struct {
		name, cores string
		command     []string
	}{
		{"reference", "0", []string{o.python, o.reference, "--jpeg", jpegs, data}},
		{"reference", "0,1", []string{o.python, o.reference, "--jpeg", jpegs, data}},
		{"pksegmenter", "0", []string{o.pksegmenter, "run", "-q", "-o", filepath.Join(dir, "one"), data}},
		{"pksegmenter", "0,1", []string{o.pksegmenter, "run", "-q", "-o", filepath.Join(dir, "two"), data}},
	} {
		u, err := measure(ctx, m.cores, m.command)
		if err != nil {
			return err
		}
		measured[m.name+" "+m.cores] = u
		fmt.Printf("| %s | %s | %.1f | %.1f | %d |\n", m.name, m.cores, u.wall, u.cpu, u.memory>>20)
	}
	for _, cores := range []string{"0", "0,1"} {
		r, p := measured["reference "+cores], measured["pksegmenter "+cores]
		fmt.Printf("\nCores %s: %.1f times faster, %.1f times less CPU time, %.0f %% of the memory\n", cores, r.wall/p.wall, r.cpu/p.cpu, 100*float64(p.memory)/float64(r.memory))
	}
	one, two := measured["pksegmenter 0"], measured["pksegmenter 0,1"]
	fmt.Printf("\nFrom one core to two: %.2f times faster\n\n", one.wall/two.wall)
	return nil
}
