// Command dockercheck helps a test that lets Docker on a device use a store which pkbuild wrote: it creates images that share
// layers, serves them as a registry, and lists the layers that Docker unpacked.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

const usage = `usage: dockercheck layout LAYOUT BASES   create images in LAYOUT from those in the OCI layout BASES
       dockercheck serve LAYOUT ADDRESS  serve the images in LAYOUT as a registry
       dockercheck layers DATA           list the layers of a Docker's data directory`

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "dockercheck:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 3 && args[0] == "layout":
		return makeLayout(ctx, args[1], args[2])
	case len(args) == 3 && args[0] == "serve":
		return serve(args[1], args[2])
	case len(args) == 2 && args[0] == "layers":
		return listLayers(os.Stdout, args[1])
	}
	return errors.New(usage)
}
