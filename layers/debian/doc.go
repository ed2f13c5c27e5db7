// Package debian makes trees of Debian packages, of any architecture, at the speed of the machine that builds.
//
// apt resolves, for the target's architecture, into a root of its own; .debs are fetched in parallel into a pool by
// digest; their contents are merged in memory and written to a scratch directory with the records of dpkg. Then the
// maintainer scripts run, under the tree's own dpkg, in a sandbox whose root is an overlay: at the top a directory
// that takes their changes, then programs of the building machine's architecture in the same versions (the tools),
// then the tree. Debian is multiarch, so both sets of libraries live side by side; what has no counterpart among the
// tools runs in qemu-user. The result is the tree with the changes; a program of the building machine among them is
// an error.
//
// The formats are those of deb(5), dpkg(1), deb-triggers(5) and the dpkg database as dpkg 1.16 to 1.22 keep it. The
// package knows nothing of recipes, of layers above the base, or of disks.
package debian
