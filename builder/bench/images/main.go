// Command bench compares the pre-pull of a container image, from a local registry to Docker's store on a file system,
// with what a user would do instead: `docker pull`, and `skopeo copy` followed by `docker load`; and with decompressing
// the layers and copying them once. All take turns in one run, each with an empty cache and an empty store, until all is
// on the disk; what counts is the wall clock, the time of the processors, and the peak of the memory. Docker is running
// when its turn begins; of its processor time and memory, its start and end are part. The command is run by
// `make bench-containers`, needs root, dockerd and skopeo, and proves nothing: it prints.
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
	flag.IntVar(&o.rounds, "rounds", 3, "how often each has its turn")
	flag.IntVar(&o.layers, "layers", 8, "number of layers of the image")
	flag.Int64Var(&o.size, "size", 300, "size of each layer without compression, in MiB")
	flag.BoolVar(&o.alone, "alone", false, "leave docker and skopeo out")
	flag.StringVar(&o.dir, "dir", "/var/tmp", "directory on a disk to work in, with room for six times all layers")
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

// main is the whole, or one of its processes.
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
	return fmt.Errorf("%q is none of its parts", args[0])
}

func (o options) run(ctx context.Context) (err error) {
	for _, program := range []string{"dockerd", "docker", "skopeo"} {
		if o.alone {
			break
		}
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w: apt-get install docker.io skopeo", err)
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
