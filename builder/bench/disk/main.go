// Command bench compares writing a disk image with alternative tools: mke2fs -d from an unpacked directory, alone and
// followed by sha256sum and bmaptool create, and cp --sparse=always of a finished image. The tools run in turn, each in its
// own process. It prints wall-clock time, processor time and peak memory; it has no thresholds. `make bench` runs it, as
// root for the owners of the unpacked files.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/PlanktoScope/pkbuild/layers/sandbox"
)

func main() {
	sandbox.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "how often each tool has its turn")
	flag.IntVar(&o.small, "small", 200_000, "number of files of the tree of small files")
	flag.StringVar(&o.recipe, "recipe", "recipes/planktoscope.yml", "recipe of the default image")
	flag.StringVar(&o.helpers, "helpers", "out/bin", "directory of pkbuild and of the programs that go into images")
	flag.StringVar(&o.dir, "dir", "/dev/shm", "directory to work in, with 8 GiB of room; in memory no disk is measured")
	flag.Parse()
	var err error
	switch flag.Arg(0) {
	case "":
		err = o.run(ctx)
	case "default":
		err = o.defaultTree(ctx, flag.Arg(1))
	case "small":
		err = o.smallTree(ctx, flag.Arg(1))
	default:
		err = child(ctx, flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	rounds, small        int
	recipe, helpers, dir string
}

func (o options) run(ctx context.Context) (err error) {
	if o.dir, err = os.MkdirTemp(o.dir, "pkbuild-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.dir)
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil { // for mke2fs
		return err
	}
	for _, s := range []struct{ name, tree string }{
		{"the tree of " + o.recipe, "default"},
		{fmt.Sprintf("a tree of %d small files", o.small), "small"},
	} {
		dir, err := os.MkdirTemp(o.dir, "")
		if err != nil {
			return err
		}
		fmt.Printf("%s, in %s\n", s.name, filepath.Dir(o.dir))
		// In a process of its own: what this one takes at most, the kernel counts as the peak of those that it starts.
		args := append(os.Args[1:len(os.Args):len(os.Args)], s.tree, filepath.Join(dir, "tree.tar"))
		if out, err := exec.CommandContext(ctx, "/proc/self/exe", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("run %s: %w: %s", s.name, err, out)
		}
		if err := compare(ctx, dir, o.rounds); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}
