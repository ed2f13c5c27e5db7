// Package debian makes trees of Debian packages of any architecture at the native speed of the building machine.
//
// Apt resolves packages for the target's architecture in a private root. Packages are downloaded in parallel into a pool,
// by digest. Their contents are merged in memory and written to a scratch directory together with dpkg's database. Then
// dpkg runs the maintainer scripts in a sandbox whose root is an overlay: an upperdir for their changes, over programs of
// the building machine's architecture in the same versions (the tools), over the tree. Debian is multiarch, so that both
// sets of libraries coexist; programs without a counterpart among the tools run in qemu-user. The result is the tree with
// the changes. A program of the building machine's architecture in the changes is an error.
//
// Formats: deb(5), dpkg(1), deb-triggers(5), and the database of dpkg 1.16 to 1.22. The package knows nothing of recipes
// or disks.
package debian
