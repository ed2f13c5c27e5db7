// Command pkinit assembles the root file system of a device: as /init of an initramfs before systemd, or step by step
// as systemd services. See docs/boot.md.
package main

import (
	"os"

	"github.com/PlanktoScope/pkbuild/initsteps/initramfs"
)

// version is set by the linker.
var version = "devel"

func main() {
	if os.Getpid() == 1 {
		initramfs.Main(version, os.Args[1:])
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}
