// Command bench measures how fast a container image gets from a local registry into Docker's store: by pkbuild, by `docker pull`,
// by `skopeo copy` followed by `docker load`, and, as a lower bound, by decompressing and copying the layers. The contenders
// alternate in one run, each with an empty cache and an empty store. It prints the wall-clock time until everything is synced, the
// CPU time, and the peak memory. Docker runs when its turn begins; its CPU time and memory include its start and stop.
// `make bench-containers` runs it as root, with dockerd and skopeo.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.IntVar(&o.rounds, "rounds", 3, "number of turns of each contender")
	flag.IntVar(&o.layers, "layers", 8, "number of layers of the image")
	flag.Int64Var(&o.size, "size", 300, "uncompressed size of each layer, in MiB")
	flag.BoolVar(&o.alone, "alone", false, "do not measure docker and skopeo")
	flag.StringVar(&o.dir, "dir", "/var/tmp", "working directory on a disk, with space for six times all layers")
	flag.Parse()
	err := o.main(ctx, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	rounds, layers int
	size           int64
	alone          bool
	dir            string
}

// main runs the benchmark, or one of its child processes.
func (o options) main(ctx context.Context, args []string) error {
	switch {
	case len(args) == 0:
		return o.run(ctx)
	case args[0] == "serve":
		return serve(ctx, args[1])
	case args[0] == "pull":
		return pull(ctx, args[1], args[2], args[3])
	case args[0] == "unpack":
		return unpack(ctx, args[1], args[2])
	}
	return fmt.Errorf("child process of the benchmark has unknown role %q", args[0])
}

func (o options) run(ctx context.Context) (err error) {
	for _, program := range []string{"dockerd", "docker", "skopeo"} {
		if o.alone {
			break
		}
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("find the programs of the benchmark: %w; run: apt-get install docker.io skopeo", err)
		}
	}
	if o.dir, err = os.MkdirTemp(o.dir, "pkbuild-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.dir)
	blobs := filepath.Join(o.dir, "registry")
	if err := os.Mkdir(blobs, 0o755); err != nil {
		return err
	}
	image, err := generate(ctx, blobs, o.layers, o.size<<20)
	if err != nil {
		return err
	}
	fmt.Printf("%d layers, %d MiB, and %d MiB in the registry\n", o.layers, image.unpacked>>20, image.packed>>20)
	host, end, err := startRegistry(ctx, blobs)
	if err != nil {
		return err
	}
	defer end()
	if err := image.push(ctx, host); err != nil {
		return err
	}
	all, err := contenders(host, image, blobs)
	if err != nil {
		return err
	}
	if o.alone {
		all = slices.DeleteFunc(all, func(c *contender) bool { return c.docker })
	}
	for range o.rounds {
		for _, c := range all {
			if err := c.turn(ctx, filepath.Join(o.dir, "turn")); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	return report(all)
}
