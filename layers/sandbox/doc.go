// Package sandbox runs commands in a tree of files, of any architecture, with programs of the building machine's
// architecture laid over the tree, and returns the changes that they made.
//
// A command runs as root of a user namespace of its own, whose IDs have no rights on the building machine, with mount,
// process, IPC, host name, cgroup and, unless it asks for the network, network namespaces of its own, few capabilities
// and a seccomp filter. Programs of a foreign architecture run in qemu-user. A program of the building machine among
// the changes is an error.
//
// The first process of the namespaces is the calling program itself, which Main turns into the supervisor: it mounts
// the tree, starts the command, ends what the command leaves behind, and writes the changes as a tar archive.
package sandbox
