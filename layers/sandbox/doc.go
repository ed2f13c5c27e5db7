// Package sandbox runs commands in a tree of files, of any architecture: in namespaces of their own, with programs of
// the building machine's architecture laid over the tree, and returns what they changed.
//
// Programs of a foreign architecture run in qemu-user. A program of the building machine among the changes is an
// error. The package knows nothing of packages, and fetches nothing.
package sandbox
