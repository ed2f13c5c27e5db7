// Command dockercheck is what a test needs on a device beside Docker, to see whether that takes a store which it has not
// written for its own: images of which some share layers, a registry that has them, and a list of what Docker has
// unpacked. It judges nothing.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

const usage = `usage: dockercheck layout LAYOUT BASES   make images in LAYOUT, of those of the OCI layout BASES
       dockercheck serve LAYOUT ADDRESS  be a registry that has the images of LAYOUT
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
